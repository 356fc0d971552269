/**
 * Several nodes, each a process, on a real server named by EVENTSTORE_URL; and, in the same round, the embedded store. The
 * server, the nodes and this process share the machine: on few cores it says what a task costs, not how far nodes scale.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { createApp, startApp } from '../src/app/index.ts'
import { apart, type Benchmark, keepInFlight, type Measurement, monotonic, percentile } from './harness.ts'

const NODES = [1, 2, 3]
const TASKS = 6_000
const IN_FLIGHT = 256
const DUE_TASKS = 3_000
const DUE_MS = 5
const RATE = 50
const LATENCY_SECONDS = 8
/** Until every node has started and has heard of the others. */
const START_MS = 30_000
/** Between one part and the next, so that no node's part reaches into another's. */
const DUE_IN_MS = 6_000

export const cluster: Benchmark = {
  name: 'cluster',
  about:
    `nodes as processes on the server of EVENTSTORE_URL, and the embedded store: ${TASKS} no-op tasks, ${IN_FLIGHT} in ` +
    `flight; ${DUE_TASKS} tasks of ${DUE_MS} ms that are due at the same moment; ${RATE} tasks a second for ${LATENCY_SECONDS} s`,
  rounds: 3,
  async round(directory) {
    const { EVENTSTORE_URL: url } = process.env
    if (!url) throw new Error('Set EVENTSTORE_URL to the connection string of a server that may be written to.')
    const measured = [...(await measure('embedded', 1, '', directory))]
    for (const nodes of NODES) {
      measured.push(...(await measure(`${nodes} ${nodes === 1 ? 'node' : 'nodes'}`, nodes, url, directory)))
    }
    return measured
  },
}

async function measure(what: string, nodes: number, url: string, directory: string): Promise<Measurement[]> {
  const app = `bench-${process.pid}-${Math.round(monotonic())}`
  const startAt = monotonic() + (url === '' ? START_MS / 10 : START_MS)
  const data = (index: number) => join(directory, `${app}-${index}`)
  const results = await Promise.all(
    Array.from({ length: nodes }, (_, index) => apart(import.meta.url, runNode, url, app, data(index), nodes, startAt)),
  )
  const latest = (of: (result: NodeResult) => number) => Math.max(...results.map(of))
  const sum = (of: (result: NodeResult) => number) => results.reduce((total, result) => total + of(result), 0)
  const waits = results.flatMap((result) => result.waits)
  return [
    {
      what: `${what}: submitted to completed`,
      value: (TASKS / latest(({ tookMs }) => tookMs)) * 1000,
      unit: 'tasks/s',
    },
    { what: `${what}: due to completed`, value: (DUE_TASKS / latest(({ dueMs }) => dueMs)) * 1000, unit: 'tasks/s' },
    {
      what: `${what}: claim appends a start`,
      value: 1 + sum(({ lost }) => lost) / sum(({ started }) => started),
      unit: '×',
    },
    {
      what: `${what}: conflicts, 1000 tasks`,
      value: (sum(({ conflicts }) => conflicts) / (TASKS + DUE_TASKS)) * 1000,
      unit: 'appends',
    },
    { what: `${what}: submit to start, p50`, value: percentile(waits, 0.5), unit: 'ms' },
    { what: `${what}: submit to start, p99`, value: percentile(waits, 0.99), unit: 'ms' },
    { what: `${what}: processor time of the nodes, a task`, value: sum(({ cpuUs }) => cpuUs) / TASKS, unit: 'µs' },
  ]
}

type NodeResult = {
  readonly tookMs: number
  readonly dueMs: number
  readonly cpuUs: number
  /** Claims appended that another node was ahead of, and claims that held, of the tasks that were due together. */
  readonly lost: number
  readonly started: number
  readonly conflicts: number
  readonly waits: readonly number[]
}

export async function runNode(
  url: string,
  name: string,
  data: string,
  nodes: number,
  startAt: number,
): Promise<NodeResult> {
  const app = createApp({ name })
  const waits: number[] = []
  let started = 0
  const noop = app.task('noop', { input: z.looseObject({}) }, async () => {})
  const due = app.task('due', { input: z.looseObject({}) }, async () => {
    started++
    await sleep(DUE_MS)
  })
  const timed = app.task('timed', { input: z.looseObject({ at: z.number() }) }, async ({ at }) => {
    waits.push(monotonic() - at)
  })
  const running = await startApp(app, { data, version: '0.1.0', ...(url === '' ? {} : { eventstore: url }) })
  const completed = (task: string, count: number) => async () =>
    (await running.reads.countJobs({ name: task, status: ['completed'] })) >= count
  if (url !== '') await until(async () => running.nodes.length === nodes)
  if (monotonic() > startAt) throw new Error('The nodes did not start in time: the machine is too busy.')

  await sleep(startAt - monotonic())
  const cpu = process.cpuUsage()
  await keepInFlight(TASKS / nodes, IN_FLIGHT / nodes, (i) => noop.submit({ i }))
  await until(completed('noop', TASKS))
  const tookMs = monotonic() - startAt
  const { user, system } = process.cpuUsage(cpu)

  const dueAt = Date.now() + DUE_IN_MS
  const runAt = new Date(Math.ceil(dueAt / 4000) * 4000)
  await keepInFlight(DUE_TASKS / nodes, IN_FLIGHT / nodes, (i) => due.schedule({ i }, { runAt }))
  const before = running.conflicts.get('TaskStarted') ?? 0
  if (Date.now() > runAt.getTime())
    throw new Error('The tasks were due before all were submitted: the machine is too busy.')
  await until(completed('due', DUE_TASKS))
  const dueMs = Date.now() - runAt.getTime()
  const lost = (running.conflicts.get('TaskStarted') ?? 0) - before

  const began = monotonic()
  const submitted: Promise<unknown>[] = []
  for (let i = 0; i < (RATE * LATENCY_SECONDS) / nodes; i++) {
    const wait = began + (i * 1000 * nodes) / RATE - monotonic()
    if (wait > 0) await sleep(wait)
    submitted.push(timed.submit({ at: monotonic() }))
  }
  await Promise.all(submitted)
  await until(completed('timed', Math.floor((RATE * LATENCY_SECONDS) / nodes) * nodes))
  const conflicts = [...running.conflicts.values()].reduce((total, count) => total + count, 0)
  await running.stop()
  return { tookMs, dueMs, cpuUs: user + system, lost, started, conflicts, waits }
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(10)
}
