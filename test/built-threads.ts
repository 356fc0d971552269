/**
 * The threads of the apps under test, and the processes of their tasks, run the build, as they do at a user's. From src each
 * would load its files one by one, which takes a third of a second of processor time for every thread and half a second for
 * every process.
 */
import { join } from 'node:path'
import { vi } from 'vitest'
import type { PROGRAMS } from '../src/events/package.ts'

const BUILT = new Set<string>([
  'app/process/guest',
  'events/stores/sqlite/image/worker',
  'events/stores/sqlite/writer',
  'execution/announcing/worker',
  'execution/process/child',
  'projections/worker/worker',
])

vi.mock('../src/events/package.ts', async (original) => {
  const real = await original<typeof import('../src/events/package.ts')>()
  return {
    ...real,
    programFile: (name: (typeof PROGRAMS)[number]) =>
      BUILT.has(name) ? join(real.PACKAGE_ROOT, 'dist', `${name}.js`) : real.programFile(name),
  }
})
