/**
 * The program of a task's process. It puts the watchdog on guard, loads the app's file, and runs one job after another;
 * each ends with a word on whether it left anything open, for then the process is not used again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { AttemptFenced } from '../../actors/index.ts'
import { programFile } from '../../events/index.ts'
import { asJson } from '../errors.ts'
import { reviveError, wireError } from './error-wire.ts'
import { killGroup } from './group.ts'
import type { FromProcess, Job, LoadedGuest, LoadGuest, Start, ToProcess } from './protocol.ts'

/** How long a job's leftovers may take to close. */
const SETTLE_MS = 200
/** A process that has come to hold so much of what it may is not used again. */
const FULL = 0.7

const start = JSON.parse(process.argv[2] ?? '{}') as Start

const watchdog = new Worker(programFile('execution/process/watchdog'), {
  workerData: start,
  name: 'capsule-watchdog',
  resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 },
})
watchdog.unref()
process.once('disconnect', () => killGroup(process.pid))
// Ctrl-C in a terminal, or a service manager, tells every process of the app. Whoever started this one decides.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})

interface Current {
  readonly job: Job
  readonly controller: AbortController
}

const asked = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
let current: Current | undefined
let lastCall = 0

function tell(message: FromProcess): void {
  process.send?.(message)
}

function call(job: Job, method: string, args: readonly unknown[]): Promise<unknown> {
  if (current?.job !== job) return Promise.reject(new AttemptFenced('attempt', `task ${job.taskId}`, job.claim))
  return new Promise((resolve, reject) => {
    const id = ++lastCall
    // Throws, and so rejects, if something in there is no data.
    tell({ type: 'call', claim: job.claim, call: id, method, args })
    asked.set(id, { resolve, reject })
  })
}

/** What keeps the event loop alive, by kind and number. */
function openHandles(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}

async function leftNothing(before: ReadonlyMap<string, number>): Promise<boolean> {
  const until = performance.now() + SETTLE_MS
  for (;;) {
    const handles = [...openHandles()]
    if (asked.size === 0 && handles.every(([kind, count]) => count <= (before.get(kind) ?? 0))) break
    if (performance.now() > until) return false
    // What is only just closing, or being answered, is gone in a moment.
    await sleep(5, undefined, { ref: false })
  }
  return start.memoryBytes === undefined || process.memoryUsage.rss() < start.memoryBytes * FULL
}

/** What was printed is on its way before the outcome is. */
async function flushed(): Promise<void> {
  await Promise.all(
    [process.stdout, process.stderr].map((stream) => new Promise<void>((resolve) => stream.write('', () => resolve()))),
  )
}

async function run(guest: LoadedGuest, job: Job): Promise<void> {
  const before = openHandles()
  const controller = new AbortController()
  current = { job, controller }
  const { claim } = job
  try {
    const running = { ...job, signal: controller.signal, call: call.bind(undefined, job) }
    const result = asJson(await guest.run(running))
    await flushed()
    tell({ type: 'returned', claim, result })
  } catch (error) {
    const retryable = guest.retryable(job.name, error)
    await flushed()
    tell({ type: 'threw', claim, error: wireError(error), retryable })
  }
  const reusable = !controller.signal.aborted && (await leftNothing(before))
  current = undefined
  tell({ type: 'settled', claim, reusable })
}

function hear(guest: LoadedGuest, message: ToProcess): void {
  switch (message.type) {
    case 'run':
      void run(guest, message.job)
      return
    case 'abort':
      if (current?.job.claim === message.claim) current.controller.abort(reviveError(message.reason))
      return
    case 'answer': {
      const { call, outcome } = message
      const waiting = asked.get(call)
      asked.delete(call)
      if ('error' in outcome) waiting?.reject(reviveError(outcome.error))
      else waiting?.resolve(outcome.value)
    }
  }
}

try {
  const { load } = (await import(start.guest.module)) as { readonly load: LoadGuest }
  const guest = await load(start.guest)
  process.on('message', (message) => hear(guest, message as ToProcess))
  tell({ type: 'ready' })
} catch (error) {
  tell({ type: 'unfit', error: wireError(error) })
}
