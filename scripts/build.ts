/**
 * Builds what the published package runs from, dist/, beside the web components that Vite puts there: JavaScript in few
 * files (docs/decisions/0032-a-build-of-few-files.md), the types, and the pages. `--code` leaves the types out.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build } from 'rolldown'
import { PROGRAMS } from '../src/events/package.ts'

const root = resolve(import.meta.dirname, '..')
const src = join(root, 'src')
const dist = join(root, 'dist')

// What an earlier build left of a file that is gone would be published.
for (const name of readdirSync(dist)) {
  if (name !== 'web-components') rmSync(join(dist, name), { recursive: true })
}
await build({
  input: Object.fromEntries(
    ['index', 'testing/index', 'cli/bin', ...PROGRAMS].map((name) => [name, join(src, `${name}.ts`)]),
  ),
  platform: 'node',
  // Dependencies stay what they are: the app that imports zod, and the auditor of what is installed, find one of each.
  external: /^[a-z@]/,
  output: { dir: dist, entryFileNames: '[name].js', chunkFileNames: 'chunks/[name]-[hash].js' },
})
cpSync(join(src, 'http/static'), join(dist, 'http/static'), { recursive: true })
if (!process.argv.includes('--code')) {
  const tsc = [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json']
  process.exitCode = spawnSync(process.execPath, tsc, { cwd: root, stdio: 'inherit' }).status ?? 1
}
