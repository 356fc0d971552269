/** Builds what the published package runs from: dist/ without types to strip, beside the web components that Vite puts there. */
import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const dist = join(root, 'dist')

// What an earlier build left of a file that is gone would be published.
for (const name of readdirSync(dist, { withFileTypes: true })) {
  if (name.name !== 'web-components') rmSync(join(dist, name.name), { recursive: true })
}
const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'],
  {
    cwd: root,
    stdio: 'inherit',
  },
)
cpSync(join(root, 'src/http/static'), join(dist, 'http/static'), { recursive: true })
process.exitCode = status ?? 1
