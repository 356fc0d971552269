/**
 * The command `capsule` as it is published, for tests that start it: a third of the processor time that a start from
 * src takes, hundreds of times. Vitest calls `setup` before the tests.
 */
import { execFileSync } from 'node:child_process'
import { globSync, statSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')

/** To be run by Node, without `--conditions=capsule-source`: the app that it loads must find the same build. */
export const CAPSULE: string = join(ROOT, 'dist/cli/bin.js')

/** Builds it, unless it is younger than all that it is made of. */
export function setup(): void {
  const sources = globSync(['src/**/*', 'scripts/build.ts', 'package-lock.json'], { cwd: ROOT })
  const newest = Math.max(...sources.map((file) => statSync(join(ROOT, file)).mtimeMs))
  const built = statSync(CAPSULE, { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (built > newest) return
  execFileSync(process.execPath, [join(ROOT, 'scripts/build.ts'), '--code'], { stdio: 'inherit' })
}
