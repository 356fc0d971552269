/**
 * The threads of the apps under test run the build, as they do at a user's. From src each thread would load its files one
 * by one, which takes a third of a second of processor time for every app that starts.
 */
import { join } from 'node:path'
import { vi } from 'vitest'
import type { PROGRAMS } from '../src/events/package.ts'

const THREADS = new Set<string>([
  'events/stores/sqlite/image/worker',
  'events/stores/sqlite/writer',
  'execution/announcing/worker',
  'projections/worker/worker',
])

vi.mock('../src/events/package.ts', async (original) => {
  const real = await original<typeof import('../src/events/package.ts')>()
  return {
    ...real,
    programFile: (name: (typeof PROGRAMS)[number]) =>
      THREADS.has(name) ? join(real.PACKAGE_ROOT, 'dist', `${name}.js`) : real.programFile(name),
  }
})
