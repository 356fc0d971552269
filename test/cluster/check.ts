/**
 * `npm run cluster-check`: several nodes as processes on a real server, killed and paused at random, and the log held to
 * what the design promises. It says what happened, and exits with 1 if a promise was broken.
 *
 *     EVENTSTORE_URL=esdb://127.0.0.1:2113?tls=false npm run cluster-check -- --tasks 5000 --nodes 3 --seconds 90 --seed 1
 *
 * With CHECK_STORE_PID, the process id of the server on this machine, the server is also stopped for 30 s (SIGSTOP). With
 * CHECK_STORE_START too, a command that starts it again, it is killed instead, and is away for 30 s. CHECK_STORE_TROUBLE is a
 * command that is run three times while tasks are submitted: one that kills the leader of a cluster and starts it again, say.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import {
  type EventStore,
  openEventStoreDB,
  type RecordedEvent,
  START,
  StoreUnavailable,
  streamPrefix,
} from '../../src/events/index.ts'
import { Random } from '../simulation/random.ts'
import { isAttemptEnd, isRunEnd, streamsOf, violations } from './invariants.ts'
import { NodeProcess } from './nodes.ts'

const LIMITS = { narrow: 4 }
const BATCH = 10
const OUTAGE_MS = 30_000
const FAILOVERS = 3
const STORE_TROUBLES = 3
/** As the design promises. */
const FAILOVER_MS = 10_000
/** No promise: a check that waits in vain ends. */
const PATIENCE_MS = 600_000

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '5000' },
    nodes: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '90' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
  },
})
const url = process.env.EVENTSTORE_URL
if (!url) {
  console.error('Set EVENTSTORE_URL to the connection string of a server that may be written to: esdb://…')
  process.exit(2)
}

/** The log of this check, as it grows. */
class Tail {
  readonly app: string
  readonly events: RecordedEvent[] = []
  readonly #store: EventStore
  readonly #prefix: string
  readonly #open = new Set<string>()
  readonly #running = new Map<string, string>()
  readonly #starts = new Map<string, number[]>()

  constructor(app: string, store: EventStore) {
    this.app = app
    this.#store = store
    this.#prefix = streamPrefix(app, 'task')
  }

  async catchUp(): Promise<void> {
    for (;;) {
      const from = this.events.at(-1)?.position ?? START
      const page = await this.#store.readAll({ from, limit: 2000 })
      for (const event of page) this.#take(event)
      this.events.push(...page)
      if (page.length === 0) return
    }
  }

  /** While the store has trouble there is nothing new to hear: how long is a question to `until`. */
  async #followed(): Promise<void> {
    try {
      await this.catchUp()
    } catch (error) {
      if (!(error instanceof StoreUnavailable && error.retryable)) throw error
    }
  }

  async until(what: string, holds: () => boolean, everyMs = 250): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS
    for (;;) {
      await this.#followed()
      if (holds()) return
      if (performance.now() > deadline) throw new Error(`Waited ${PATIENCE_MS / 1000} s in vain for ${what}`)
      await sleep(everyMs)
    }
  }

  /** Tasks whose run has not ended. */
  get open(): number {
    return this.#open.size
  }

  /** Tasks that run, and the node that runs each. */
  get running(): ReadonlyMap<string, string> {
    return this.#running
  }

  /** When each attempt of the task started, by the store's clock. */
  starts(task: string): readonly number[] {
    return this.#starts.get(task) ?? []
  }

  #take(event: RecordedEvent): void {
    const { stream, type } = event
    if (!stream.startsWith(this.#prefix)) return
    const task = stream.slice(this.#prefix.length)
    if (type === 'TaskSubmitted' || type === 'TaskScheduled') this.#open.add(task)
    if (type === 'TaskStarted') {
      this.#running.set(task, String(event.data.node))
      this.#starts.set(task, [...this.starts(task), event.recordedAt])
    } else if (isAttemptEnd(event)) this.#running.delete(task)
    if (isRunEnd(event)) this.#open.delete(task)
  }
}

class Check {
  readonly #random: Random
  readonly #tail: Tail
  readonly #directory: string
  readonly #nodes: NodeProcess[] = []
  readonly #complaints = new Map<string, number>()
  readonly #acknowledged = new Set<string>()
  readonly #counts = { kills: 0, shortPauses: 0, longPauses: 0, retriedSubmits: 0 }
  #submitted = 0

  constructor(seed: number, app: string, store: EventStore, directory: string) {
    this.#random = new Random(seed)
    this.#tail = new Tail(app, store)
    this.#directory = directory
  }

  async run(tasks: number, nodes: number, seconds: number): Promise<boolean> {
    const broken: string[] = []
    try {
      await Promise.all(Array.from({ length: nodes }, (_, index) => this.#start(index).ready))
      console.log(`${nodes} nodes are up, the app is ${this.#tail.app}`)
      await this.#chaos(tasks, seconds)
      broken.push(...(await this.#outage()), ...(await this.#failovers()))
      const codes = await Promise.all(this.#nodes.map((node) => node.stop()))
      console.log(`stopped with exit codes ${codes.join(', ')}`)
    } finally {
      for (const node of this.#nodes) if (!(await settledNow(node.exited))) await node.kill()
    }
    await this.#tail.catchUp()
    return this.#judge(broken)
  }

  #start(index: number): NodeProcess {
    const role = index === 0 || index < Number(values.nodes) - 1 ? 'serve' : 'worker'
    const node = new NodeProcess({
      role,
      app: 'test/cluster/apps/work.ts',
      data: join(this.#directory, `node-${index}`),
      env: { CHECK_APP: this.#tail.app, DEBUG: 'capsule' },
      complain: (line) => this.#note(line),
    })
    this.#nodes[index] = node
    return node
  }

  #note(line: string): void {
    if (/^\s+at /.test(line) || line.includes('capsule: stopping')) return
    if (process.env.DEBUG) console.log(`  | ${line}`)
    const kind = line.replaceAll(/[0-9a-f-]{8,}|\d+(\.\d+)?/g, '…').slice(0, 160)
    this.#complaints.set(kind, (this.#complaints.get(kind) ?? 0) + 1)
  }

  async #chaos(tasks: number, seconds: number): Promise<void> {
    const began = performance.now()
    let done = false
    const submitting = (async () => {
      for (let n = 0; n < tasks; n += BATCH) {
        const wait = began + (n / tasks) * seconds * 1000 - performance.now()
        if (wait > 0) await sleep(wait)
        void this.#submit(this.#random.pick(['plain', 'flaky', 'locked', 'narrow', 'talkative']), BATCH, () => ({
          ms: this.#random.between(0, 400),
          key: `k${this.#random.between(0, 30)}`,
        }))
      }
    })().then(() => {
      done = true
    })
    const troubled = this.#troubleStore((seconds * 1000) / 4)
    while (!done) {
      await sleep(this.#random.between(1_000, 4_000))
      const up = this.#nodes.filter((node) => node.isUp)
      if (up.length > 1) void this.#trouble(this.#random.pick(up))
    }
    await submitting
    await troubled
    await this.#tail.until('everything submitted', () => this.#acknowledged.size >= tasks)
    await this.#tail.until('everything to end', () => this.#tail.open <= 2)
    const took = (performance.now() - began) / 1000
    const { kills, shortPauses, longPauses, retriedSubmits } = this.#counts
    console.log(
      `${tasks} tasks in ${took.toFixed(0)} s, amid ${kills} kills, ${shortPauses} pauses of 1 to 4 s and ${longPauses} of ` +
        `10 to 14 s; ${retriedSubmits} submits were repeated on another node`,
    )
    await Promise.all(this.#nodes.map((node) => node.ready))
  }

  async #troubleStore(everyMs: number): Promise<void> {
    const command = process.env.CHECK_STORE_TROUBLE
    for (let time = 0; command !== undefined && time < STORE_TROUBLES; time++) {
      await sleep(everyMs)
      const child = spawn(command, { shell: true, stdio: 'inherit' })
      const [code] = (await once(child, 'exit')) as [number | null]
      console.log(`trouble for the store: ${command} ended with ${code}`)
    }
  }

  async #trouble(node: NodeProcess): Promise<void> {
    const index = this.#nodes.indexOf(node)
    if (this.#random.chance(0.5)) {
      this.#counts.kills++
      await node.kill()
      await sleep(this.#random.between(0, 3_000))
      this.#start(index)
      return
    }
    const long = this.#random.chance(0.5)
    this.#counts[long ? 'longPauses' : 'shortPauses']++
    node.pause()
    await sleep(long ? this.#random.between(10_000, 14_000) : this.#random.between(1_000, 4_000))
    node.wake()
  }

  /** Submits on any node that answers; again on another one, under the same key, until one does. */
  async #submit(name: string, count: number, params: () => { ms: number; key?: string }): Promise<void> {
    const key = `batch-${this.#submitted}`
    const items = Array.from({ length: count }, () => ({ params: { n: this.#submitted++, ...params() } }))
    for (let tries = 0; ; tries++) {
      const serving = this.#nodes.filter((node) => node.isUp && node.url !== undefined)
      const node = serving.length > 0 ? this.#random.pick(serving) : undefined
      const jobs = node?.url === undefined ? undefined : await ask(node.url, name, key, items)
      if (jobs) {
        if (tries > 0) this.#counts.retriedSubmits++
        for (const job of jobs) this.#acknowledged.add(job)
        return
      }
      await sleep(200)
    }
  }

  /** The store is away for 30 s: nobody is taken for dead, nothing is interrupted. */
  async #outage(): Promise<string[]> {
    const pid = Number(process.env.CHECK_STORE_PID)
    if (!pid) {
      console.log('the outage of the store was left out: CHECK_STORE_PID is not set')
      return []
    }
    await Promise.all([0, 1, 2].map(() => this.#submit('plain', 10, () => ({ ms: 25_000 }))))
    await this.#tail.until('tasks to run', () => this.#tail.running.size >= 30)
    const restart = process.env.CHECK_STORE_START
    const before = this.#tail.events.length
    process.kill(pid, restart === undefined ? 'SIGSTOP' : 'SIGKILL')
    await sleep(OUTAGE_MS)
    if (restart === undefined) process.kill(pid, 'SIGCONT')
    else spawn(restart, { shell: true, detached: true, stdio: 'ignore' }).unref()
    const back = performance.now()
    await untilAnswered(() => this.#tail.catchUp())
    const reachable = performance.now()
    await this.#tail.until('the work of before the outage to end', () => this.#tail.open <= 2)
    const ended = performance.now()
    const during = this.#tail.events.slice(before)
    const interrupted = during.filter(({ type }) => type === 'TaskInterrupted')
    console.log(
      `the store was ${restart === undefined ? 'stopped' : 'killed and away'} for ${OUTAGE_MS / 1000} s: ${interrupted.length} ` +
        `attempts interrupted; it answered ${ms(reachable - back)} after it was back, all work had ended ${ms(ended - back)} after`,
    )
    return interrupted.map(({ stream }) => `outage: ${stream} was interrupted`)
  }

  /** A node is killed while all is quiet: how long until its work runs elsewhere. */
  async #failovers(): Promise<string[]> {
    const broken: string[] = []
    const times: number[] = []
    for (let round = 0; round < FAILOVERS; round++) {
      await Promise.all(this.#nodes.map((node) => node.ready))
      // Everybody has been heard of again, and nobody is suspicious of itself.
      await sleep(3_000)
      await Promise.all([0, 1, 2].map(() => this.#submit('plain', 4, () => ({ ms: 20_000 }))))
      await this.#tail.until('tasks to run', () => this.#tail.running.size >= 12)
      const node = this.#random.pick(this.#nodes)
      const index = this.#nodes.indexOf(node)
      const id = await this.#idOf(node)
      // Not an occurrence of the schedule, which may have ended before the kill, and is waited for in vain then.
      const held = [...this.#tail.running].flatMap(([task, by]) =>
        by === id && this.#acknowledged.has(task) ? [task] : [],
      )
      const killed = Date.now()
      await node.kill()
      const restarted = () =>
        held.map((task) => {
          const again = this.#tail.starts(task)[1]
          return again === undefined ? undefined : again - killed
        })
      await this.#tail.until('its work to run elsewhere', () => restarted().every((at) => at !== undefined), 100)
      times.push(...restarted().filter((at) => at !== undefined))
      await this.#start(index).ready
      await this.#tail.until('everything to end', () => this.#tail.open <= 2)
    }
    const most = Math.max(...times)
    console.log(
      `failover: ${times.length} attempts of ${FAILOVERS} killed nodes ran again after ${ms(Math.min(...times))} to ${ms(most)}`,
    )
    if (most > FAILOVER_MS) broken.push(`failover: it took ${ms(most)}`)
    return broken
  }

  async #idOf(node: NodeProcess): Promise<string> {
    if (node.nodeId !== undefined) return node.nodeId
    const response = await fetch(`${node.url}/api/v1/system`)
    const { node: id } = (await response.json()) as { node: string }
    return id
  }

  #judge(found: readonly string[]): boolean {
    const { events, app } = this.#tail
    const broken = [...found, ...violations({ app, events }, LIMITS)]
    const tasks = streamsOf(this.#tail, 'task')
    for (const task of this.#acknowledged)
      if (!tasks.has(task)) broken.push(`runs: task ${task} was acknowledged and lost`)
    const count = (type: string) => events.filter((event) => event.type === type).length
    const submitted = [...tasks.values()].filter(([first]) => first?.data.name !== 'schedule:tick').length
    const claims = events.filter(({ type }) => type === 'TaskStarted').length
    console.log(
      `${events.length} events; ${submitted} tasks (${this.#acknowledged.size} acknowledged), ${claims} attempts, ` +
        `${count('TaskInterrupted')} interrupted, ${count('TaskWriteRefused')} writes refused, ` +
        `${count('OccurrenceDue')} seconds decided (${count('OccurrenceSkipped')} skipped), ${count('NodeStarted')} node starts`,
    )
    for (const [kind, times] of this.#complaints) console.log(`  said ${times} × ${kind}`)
    for (const one of broken.slice(0, 30)) console.log(`BROKEN ${one}`)
    console.log(broken.length === 0 ? 'Every promise held.' : `${broken.length} promises were broken.`)
    return broken.length === 0
  }
}

/** @returns the ids of the jobs, undefined if there was no answer or not for all of them */
async function ask(url: string, name: string, key: string, items: readonly unknown[]): Promise<string[] | undefined> {
  try {
    const response = await fetch(`${url}/api/v1/tasks/${name}/$submit-many`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify({ items }),
      signal: AbortSignal.timeout(10_000),
    })
    if (response.status !== 202) return undefined
    const { items: outcomes } = (await response.json()) as { items: { job: { id: string } | null }[] }
    const ids = outcomes.flatMap(({ job }) => (job ? [job.id] : []))
    return ids.length === items.length ? ids : undefined
  } catch {
    return undefined
  }
}

async function untilAnswered(ask: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await ask()
      return
    } catch {
      await sleep(250)
    }
  }
}

async function settledNow(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => true), sleep(0).then(() => false)])
}

function ms(time: number): string {
  return `${(time / 1000).toFixed(1)} s`
}

const seed = Number(values.seed)
const app = `check-${seed}-${process.pid}`
const directory = mkdtempSync(join(tmpdir(), 'capsule-cluster-'))
const store = await openEventStoreDB({ url, prefix: streamPrefix(app) })
try {
  console.log(`seed ${seed}`)
  const held = await new Check(seed, app, store, directory).run(
    Number(values.tasks),
    Number(values.nodes),
    Number(values.seconds),
  )
  process.exitCode = held ? 0 : 1
} finally {
  await store.close()
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
}
process.exit()
