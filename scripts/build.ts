/**
 * Builds what the published package runs from, dist/, beside the web components that Vite puts there: JavaScript in few
 * files (docs/decisions/0032-a-build-of-few-files.md), the types, and the pages. `--code` leaves the types out.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { build } from 'rolldown'
import { PROGRAMS } from '../src/events/package.ts'

const root = resolve(import.meta.dirname, '..')
const src = join(root, 'src')
const dist = join(root, 'dist')

// What an earlier build left of a file that is gone would be published.
for (const name of readdirSync(dist)) {
  if (name !== 'web-components') rmSync(join(dist, name), { recursive: true })
}
/** Starts with each process, shares nothing with an app, and would load the hundred files of zod for a few schemas. */
const ALONE = 'projections/worker/worker'
const INSIDE = ['uuid', 'zod']

// Dependencies stay what they are: the app that imports zod, and the auditor of what is installed, find one of each.
await bundle(['index', 'testing/index', 'cli/bin', ...PROGRAMS.filter((name) => name !== ALONE)], /^[a-z@]/)
await bundle([ALONE], new RegExp(`^(?!(${INSIDE.join('|')})$)[a-z@]`))
for (const name of INSIDE) {
  const from = join(root, 'node_modules', name)
  const license = readdirSync(from).find((file) => /^license/i.test(file))
  if (!license) throw new Error(`${name} has no license file, and must not be copied into the build without it.`)
  cpSync(join(from, license), join(dist, dirname(ALONE), `${name}.${license}`))
}
cpSync(join(src, 'http/static'), join(dist, 'http/static'), { recursive: true })
if (!process.argv.includes('--code')) {
  const tsc = [join(root, 'node_modules/typescript/bin/tsc'), '--singleThreaded', '-p', 'tsconfig.build.json']
  process.exitCode = spawnSync(process.execPath, tsc, { cwd: root, stdio: 'inherit' }).status ?? 1
}

/** Builds entries, and chunks that they share with each other. */
async function bundle(entries: readonly string[], external: RegExp): Promise<void> {
  await build({
    input: Object.fromEntries(entries.map((name) => [name, join(src, `${name}.ts`)])),
    platform: 'node',
    external,
    output: { dir: dist, entryFileNames: '[name].js', chunkFileNames: 'chunks/[name]-[hash].js' },
  })
}
