/**
 * Runs an app in memory for a test: with a clock that the test moves, a client, its events at hand, and crashes on
 * demand. Starting one takes a few milliseconds and no port, file or thread.
 */
import { ManualClock, settled } from '../actors/index.ts'
import { type App, type Duration, parseDuration, type RunningApp, startApp } from '../app/index.ts'
import { type EventStore, openMemoryStore, type RecordedEvent, START } from '../events/index.ts'
import { TestClient } from './client.ts'
import { type CrashPoint, Leash } from './leash.ts'

export interface TestOptions {
  /** ISO 8601, or milliseconds since the epoch. Default 2026-01-01T00:00:00.000Z. */
  readonly now?: string | number
  /** For the jitter of backoff. Default `() => 0.5`: a retry waits for half of what it may. */
  readonly random?: () => number
  /** What is recorded with every start of a task. Default '0.0.0'. */
  readonly version?: string
  /** Directory that retired streams go to. Default: none. */
  readonly archive?: string
  /** Stands between the app and its log, for tests of a store that fails. */
  readonly wrapStore?: (store: EventStore) => EventStore
}

/** What went wrong that nobody waited for. */
export interface Problem {
  readonly error: unknown
  readonly doing: string
}

export class TestApp implements AsyncDisposable {
  readonly clock: ManualClock
  readonly client: TestClient
  /** What the app reported; `stop` fails on what is still in here. */
  readonly problems: Problem[] = []
  readonly #log: EventStore
  readonly #options: TestOptions
  #app: App
  #node: { readonly engine: RunningApp; readonly leash: Leash } | undefined

  constructor(app: App, options: TestOptions) {
    this.#app = app
    this.#options = options
    this.clock = new ManualClock(options.now)
    this.#log = openMemoryStore({ now: () => this.clock.now() })
    this.client = new TestClient(() => this.running)
  }

  /** The running app as its HTTP server sees it. After a restart it is another one. */
  get running(): RunningApp {
    if (!this.#node) throw new Error('The app is stopped or crashed. Call restart() first.')
    return this.#node.engine
  }

  /** Moves the clock on by '10m', 30 (seconds) and so on; what comes due on the way happens at its own time. */
  async advance(duration: Duration): Promise<void> {
    await this.clock.advance(parseDuration(duration))
  }

  /** For handlers: waits on the test's clock. Rejects with the signal's reason when that is aborted. */
  sleep(duration: Duration, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const { signal } = options
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const timer = this.clock.at(this.clock.now() + parseDuration(duration), resolve)
      signal?.addEventListener('abort', () => {
        timer.cancel()
        reject(signal.reason)
      })
    })
  }

  /** Lets everything happen that does not wait for the clock. */
  async settle(): Promise<void> {
    await settled()
  }

  /** All recorded events in order, or those of one stream: `task-<id>`, `session-<id>`, `schedule-<name>`, `lock-<key>`. */
  async events(stream?: string): Promise<readonly RecordedEvent[]> {
    if (stream !== undefined) return this.#log.readStream(`${this.#app.name}.${stream}`)
    const events: RecordedEvent[] = []
    const prefixes = [`${this.#app.name}.`]
    for (let from = START; ; ) {
      const page = await this.#log.readAll({ from, prefixes })
      const last = page.at(-1)
      if (!last) return events
      events.push(...page)
      from = last.position
    }
  }

  /** The process dies: nothing is drained, nothing more is recorded, no timer of it fires. */
  crash(): void {
    const { leash } = this.#alive()
    leash.cut()
    this.#gone()
  }

  /**
   * The process dies when an event of this type is about to be recorded (`before`), or when it is recorded and nobody
   * has heard of it yet (`after`). Resolves when that has happened.
   */
  async crashAt(when: CrashPoint['when'], type: string): Promise<void> {
    await this.#alive().leash.cutAt({ when, type })
    this.#gone()
  }

  /** Starts the app on the same log, as another process would; perhaps with other code. */
  async restart(app: App = this.#app): Promise<void> {
    if (this.#node) await this.stop()
    this.#app = app
    await this.start()
  }

  /** Called by testApp. */
  async start(): Promise<void> {
    const { wrapStore = (store) => store, random = () => 0.5, version, archive } = this.#options
    const leash = new Leash(wrapStore(this.#log), this.clock)
    const starting = startApp(this.#app, {
      store: leash.store,
      clock: leash.clock,
      random,
      processTasks: 'here',
      ...(version === undefined ? {} : { version }),
      ...(archive === undefined ? {} : { archive }),
      report: (error, doing) => {
        if (!leash.isCut) this.problems.push({ error, doing })
      },
    })
    this.#node = { engine: await starting, leash }
    await settled()
  }

  /**
   * Drains and stops, moving the clock on by as much as the drain may take (default 10 s).
   * @returns whether all work came to its own end
   * @throws AggregateError of the problems that the test did not take out of `problems`
   */
  async stop(drain: Duration = 10): Promise<{ readonly clean: boolean }> {
    let clean = true
    if (this.#node) {
      const drainMs = parseDuration(drain)
      const stopping = this.#node.engine.stop({ drainMs })
      this.#node = undefined
      const stopped = stopping.then((outcome) => {
        clean = outcome.clean
        return true
      })
      await settled()
      if (!(await Promise.race([stopped, settled().then(() => false)]))) await this.clock.advance(drainMs)
      await stopped
    }
    const problems = this.problems.splice(0)
    if (problems.length > 0) {
      const errors = problems.map(({ error }) => error)
      throw new AggregateError(errors, `The app reported: ${problems.map(({ error, doing }) => `${doing}: ${error}`)}`)
    }
    return { clean }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(0)
  }

  #alive() {
    if (!this.#node) throw new Error('The app is stopped or crashed already.')
    return this.#node
  }

  #gone(): void {
    this.#app.runNoMore()
    this.#node = undefined
  }
}

/** Starts `app` in memory: `await using t = await testApp(app)`. */
export async function testApp(app: App, options: TestOptions = {}): Promise<TestApp> {
  const t = new TestApp(app, options)
  await t.start()
  return t
}
