/**
 * The threads that an app needs to start. A thread takes a while to load its code, so a process that will start an app has
 * them begin first of all, beside the loading of its own: how soon work goes on after a crash hangs on it. This file,
 * therefore, imports next to nothing.
 */
import { type ResourceLimits, Worker } from 'node:worker_threads'
import { type PROGRAMS, programFile } from './package.ts'

interface Kind {
  readonly program: (typeof PROGRAMS)[number]
  /** What the threads of Node have by default lets tens of megabytes of garbage come together. */
  readonly limits: ResourceLimits
}

const KINDS = {
  'capsule-log-writer': {
    program: 'events/stores/sqlite/writer',
    // A batch is garbage once written.
    limits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 768 },
  },
  'capsule-read-models': {
    program: 'projections/worker/worker',
    // Rows and events are garbage soon: with less room for it they cost 100 MiB less, and as much time.
    limits: { maxYoungGenerationSizeMb: 16, maxOldGenerationSizeMb: 768 },
  },
} as const satisfies Readonly<Record<string, Kind>>

export type ThreadName = keyof typeof KINDS

/** A thread started ahead that nobody has taken by then ends. */
const UNTAKEN_MS = 10_000
const ahead = new Map<ThreadName, Worker>()

/** Starts the thread that the next `startThread` takes. It keeps no process alive. */
export function startAhead(name: ThreadName): void {
  if (ahead.has(name)) return
  const worker = start(name)
  ahead.set(name, worker)
  const over = () => {
    if (ahead.get(name) === worker) ahead.delete(name)
  }
  worker.once('exit', over)
  worker.once('error', over)
  worker.unref()
  setTimeout(() => {
    if (ahead.get(name) !== worker) return
    // Forgotten at once, not when it has ended: nobody may take it while it does.
    ahead.delete(name)
    void worker.terminate()
  }, UNTAKEN_MS).unref()
}

/** A thread that waits for its options as the first message: one that was started ahead, if there is one. */
export function startThread(name: ThreadName): Worker {
  const started = ahead.get(name)
  ahead.delete(name)
  started?.ref()
  return started ?? start(name)
}

function start(name: ThreadName): Worker {
  const { program, limits } = KINDS[name]
  return new Worker(programFile(program), { name, resourceLimits: limits })
}
