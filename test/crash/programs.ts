/**
 * What the host takes for src/events/package.ts: its threads run the build, as those of `capsule serve` do, and the log's
 * writer of a life with a fault is one that is held where it would kill the process.
 */
import { join } from 'node:path'
import { PACKAGE_ROOT, type PROGRAMS, programFile as programOfSource } from '../../src/events/package.ts'

export * from '../../src/events/package.ts'

const THREADS: readonly string[] = ['events/stores/sqlite/writer', 'projections/worker/worker']
/** Of the build. */
export const WRITER: string = join(PACKAGE_ROOT, 'dist/events/stores/sqlite/writer.js')
/** Where a writer that is held says so, with the number of its life. */
export const HELD = 'held'

export function programFile(name: (typeof PROGRAMS)[number]): string {
  if (!THREADS.includes(name)) return programOfSource(name)
  if (process.env.CAPSULE_FAULT !== undefined) return join(import.meta.dirname, 'held-writer.ts')
  return join(PACKAGE_ROOT, 'dist', `${name}.js`)
}
