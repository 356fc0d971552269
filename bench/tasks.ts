/** How many tasks a second go all the way: submitted, started, completed, all of it durable, and the board up to date. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp, type RunningApp, startApp } from '../src/app/index.ts'
import { BARE_LOOP, insertBare } from './bare.ts'
import { apart, type Benchmark, keepInFlight, type Measurement, monotonic, residentMiB } from './harness.ts'
import { APP, completed, payload, rowsOf, TASK } from './histories.ts'

// Long enough that what the JIT compiles first is a small part of it.
const TASKS = 60_000
const IN_FLIGHT = 256

export const tasks: Benchmark = {
  name: 'tasks',
  about: `${TASKS} no-op tasks, ${IN_FLIGHT} submits in flight, until every one is completed on the board; the bare loop inserts their events, ${IN_FLIGHT} tasks a commit`,
  rounds: 5,
  round: (directory) => apart(import.meta.url, runTasks, directory, false),
}

export const lockedTasks: Benchmark = {
  name: 'locks',
  about: `the same, each task under a lock of its own: two streams and five events a task`,
  rounds: 3,
  round: (directory) => apart(import.meta.url, runTasks, directory, true),
}

export async function runTasks(directory: string, locked: boolean): Promise<Measurement[]> {
  const app = createApp({ name: APP })
  let handled = 0
  const noop = app.task(TASK, locked ? { lock: 'key:{id}' } : {}, async () => {
    handled++
  })
  const commits = countCommits()
  const running = await startApp(app, { data: join(directory, 'data'), version: '0.1.0' })
  const before = commits()
  const cpu = process.cpuUsage()
  const began = monotonic()
  await keepInFlight(TASKS, IN_FLIGHT, (i) => noop.submit(payload(i)))
  const acknowledged = monotonic() - began
  await untilCompleted(running, TASKS)
  const took = monotonic() - began
  const { user, system } = process.cpuUsage(cpu)
  if (handled !== TASKS) throw new Error(`${handled} attempts for ${TASKS} tasks`)
  const committed = commits() - before
  const resident = residentMiB()
  await running.stop()
  const histories = Array.from({ length: TASKS }, (_, i) => completed(i))
  const rows = rowsOf(histories)
  const bare = (insertBare(directory, rows, IN_FLIGHT * 3) * TASKS) / rows.length
  return [
    {
      what: 'submitted to completed, board caught up',
      value: (TASKS / took) * 1000,
      unit: 'tasks/s',
      bare: { what: BARE_LOOP, value: bare },
    },
    {
      what: 'acknowledged',
      value: (TASKS / acknowledged) * 1000,
      unit: 'tasks/s',
      bare: { what: BARE_LOOP, value: bare },
    },
    { what: 'processor time of all threads, a task', value: (user + system) / TASKS, unit: 'µs' },
    { what: 'commits (fsyncs of the log), 1000 tasks', value: (committed / TASKS) * 1000, unit: 'commits' },
    { what: 'resident at the end', value: resident, unit: 'MiB' },
  ]
}

/** Resolves when the board's own count says so. */
async function untilCompleted({ reads }: RunningApp, count: number): Promise<void> {
  while ((await reads.countJobs({ name: TASK, status: ['completed'] })) < count) await sleep(5)
}

/** Counts the commits of the log from now on: each answer of its writer's thread is one. */
function countCommits(): () => number {
  let commits = 0
  process.on('worker', (worker) => {
    if (worker.threadName !== 'capsule-log-writer') return
    worker.on('message', (message: unknown) => {
      if (typeof message === 'object' && message !== null && 'is' in message && message.is === 'done') commits++
    })
  })
  return () => commits
}
