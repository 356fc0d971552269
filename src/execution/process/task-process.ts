/**
 * A task's process, seen from the one that started it:
 *
 *     starting ──ready──▶ idle ──run──▶ busy ──settled, reusable──▶ idle
 *         └────────────────┴──────────────┴── died, aborted, left something open ──▶ gone, with its whole group
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { Readable } from 'node:stream'
import { AttemptFenced } from '../../actors/index.ts'
import { type JsonValue, programFile } from '../../events/index.ts'
import { reviveError, wireError } from './error-wire.ts'
import { groupGone, killGroup } from './group.ts'
import type { OutputLevel } from './output.ts'
import type { Calls, FromProcess, Guest, Job, LastWords, Start, ToProcess } from './protocol.ts'

/** How long a job's outcome may be ahead of the word whether the process can be used again. */
const SETTLE_MS = 1_000
const GONE_MS = 1_000
const LAST_PRINTED = 4_000

/** The process of an attempt ended before its handler did: the attempt is interrupted, the task runs again. */
export class ProcessDied extends Error {
  override readonly name = 'ProcessDied'
  readonly pid: number | undefined
  readonly exitCode: number | null
  readonly signal: string | null
  constructor(message: string, pid: number | undefined, exitCode: number | null, signal: string | null) {
    super(message)
    this.pid = pid
    this.exitCode = exitCode
    this.signal = signal
  }
}

/** What the handler threw, and whether its process holds it worth another attempt. */
export class HandlerThrew extends Error {
  readonly error: Error
  readonly retryable: boolean
  constructor(error: Error, retryable: boolean) {
    super(error.message)
    this.error = error
    this.retryable = retryable
  }
}

/** The app's file cannot be loaded in a process of its own. */
export class ProcessUnfit extends Error {
  override readonly name = 'ProcessUnfit'
}

export interface Doing {
  /** What the job's calls do. */
  readonly calls: Calls
  printed(level: OutputLevel, chunk: Buffer): void
}

interface Busy extends Doing {
  readonly claim: string
  readonly outcome: PromiseWithResolvers<JsonValue>
}

export class TaskProcess {
  /** Resolves when it is ready. @throws ProcessUnfit, ProcessDied */
  readonly ready: Promise<void>
  /** Resolves when it and all of its group are gone. */
  readonly gone: Promise<void>
  readonly #child: ChildProcess
  readonly #guest: Guest
  readonly #memoryBytes: number | undefined
  readonly #settled: (reusable: boolean) => void
  #busy: Busy | undefined
  #over = Promise.withResolvers<void>()
  #printedBytes = 0
  #isReady = false
  #starting: NodeJS.Timeout | undefined
  #settling: NodeJS.Timeout | undefined
  /** Whatever a job printed before its outcome has been read. */
  #drained: Promise<void> = Promise.resolve()
  #unfit: ProcessUnfit | undefined
  #killed = false
  #died: ProcessDied | undefined
  #lastWords = ''
  #lastPrinted = ''

  /** It is killed if it is not ready after `startMs`. `settled` is told after each job whether another one may run here. */
  constructor(guest: Guest, memoryBytes: number | undefined, startMs: number, settled: (reusable: boolean) => void) {
    this.#guest = guest
    this.#memoryBytes = memoryBytes
    this.#settled = settled
    const start: Start = { guest, parentPid: process.pid, memoryBytes }
    const program = programFile('execution/process/child')
    this.#child = spawn(process.execPath, [...execArgv(memoryBytes), program, JSON.stringify(start)], {
      detached: true,
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc', 'pipe'],
    })
    const ready = Promise.withResolvers<void>()
    this.ready = ready.promise
    this.ready.catch(() => {})
    // A handler, or a library that it uses, may send messages of its own.
    this.#child.on('message', (message: FromProcess | null) => message && this.#hear(message, ready.resolve))
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#printed('info', chunk))
    this.#child.stderr?.on('data', (chunk: Buffer) => this.#printed('warn', chunk))
    // None of its pipes are there if this process has no file descriptor left to make them of.
    const pipes: ChildProcess['stdio'] | undefined = this.#child.stdio
    const lastWords = pipes?.[4]
    if (lastWords instanceof Readable) lastWords.on('data', (chunk: Buffer) => (this.#lastWords += chunk))
    this.gone = this.#end().then(() => ready.reject(this.#unfit ?? this.#died))
    // Whoever waits for it has no timeout of its own meanwhile.
    this.#starting = setTimeout(() => this.#giveUp(startMs), startMs).unref()
  }

  /** Resolves when nothing of the last job is left: the process may be used again, or is gone with its group. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Whether it can be given a job. */
  get alive(): boolean {
    return !this.#killed && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** @throws HandlerThrew, ProcessDied */
  run(job: Job, doing: Doing): Promise<JsonValue> {
    if (this.#died) return Promise.reject(this.#died)
    this.#over = Promise.withResolvers()
    const outcome = Promise.withResolvers<JsonValue>()
    this.#busy = { ...doing, claim: job.claim, outcome }
    this.#tell({ type: 'run', job })
    return outcome.promise
  }

  /** Asks the job to stop. */
  abort(claim: string, reason: unknown): void {
    if (this.#busy?.claim === claim) this.#tell({ type: 'abort', claim, reason: wireError(reason) })
  }

  /** Ends the process and all it started, at once. */
  kill(): void {
    if (this.#child.pid !== undefined && this.alive) killGroup(this.#child.pid)
    this.#killed = true
  }

  #hear(message: FromProcess, ready: () => void): void {
    switch (message.type) {
      case 'ready':
        clearTimeout(this.#starting)
        this.#isReady = true
        return ready()
      case 'unfit': {
        const error = reviveError(message.error)
        this.#unfit = new ProcessUnfit(
          `The process of a task could not load ${this.#guest.entry}: ${error.name}: ${error.message}`,
          { cause: error },
        )
        return this.kill()
      }
      case 'call':
        return void this.#carryOut(message)
      case 'returned':
      case 'threw':
        return this.#ended(message)
      case 'settled':
        clearTimeout(this.#settling)
        void this.#drained.then(() => this.#settle(message.reusable && this.alive))
    }
  }

  #giveUp(startMs: number): void {
    this.#unfit = new ProcessUnfit(
      `The process of a task had not loaded ${this.#guest.entry} after ${startMs / 1000} s. Let nothing at its top level ` +
        `wait for what may never come: connect in handlers.${this.#printedAtStart()}`,
    )
    this.kill()
  }

  async #carryOut({ claim, call, method, args }: FromProcess & { type: 'call' }): Promise<void> {
    const busy = this.#busy?.claim === claim ? this.#busy : undefined
    try {
      if (!busy) throw new AttemptFenced('attempt', 'the task', claim)
      if (!Object.hasOwn(busy.calls, method)) throw new TypeError(`A process asked for ${method}, which nobody knows.`)
      const value = await busy.calls[method]?.(...(args as never[]))
      this.#tell({ type: 'answer', call, outcome: { value } })
    } catch (error) {
      this.#tell({ type: 'answer', call, outcome: { error: wireError(error) } })
    }
  }

  #ended(message: FromProcess & { type: 'returned' | 'threw' }): void {
    const busy = this.#busy
    if (busy?.claim !== message.claim) return
    this.#settling = setTimeout(() => this.#settle(false), SETTLE_MS)
    this.#drained = this.#allRead().then(() => {
      this.#busy = undefined
      if (message.type === 'returned') busy.outcome.resolve(message.result)
      else busy.outcome.reject(new HandlerThrew(reviveError(message.error), message.retryable))
    })
  }

  #settle(reusable: boolean): void {
    if (reusable) this.#over.resolve()
    this.#settled(reusable)
  }

  /** What a job printed before its outcome comes through other pipes: until a few turns of the loop bring nothing more. */
  async #allRead(): Promise<void> {
    for (let round = 0; round < 100; round++) {
      const before = this.#printedBytes
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
      if (this.#printedBytes === before) return
    }
  }

  #printed(level: OutputLevel, chunk: Buffer): void {
    this.#printedBytes += chunk.length
    if (level === 'warn') this.#lastPrinted = (this.#lastPrinted + chunk).slice(-LAST_PRINTED)
    this.#busy?.printed(level, chunk)
  }

  async #end(): Promise<void> {
    const { pid } = this.#child
    const [exitCode, signal] = await new Promise<[number | null, string | null]>((resolve) => {
      this.#child.on('error', () => {
        if (pid === undefined) resolve([null, null])
      })
      // Not 'exit': what it said last is still in its pipes. Not 'close' alone: what it started may hold them open.
      this.#child.once('exit', (...how) => {
        if (pid !== undefined) killGroup(pid)
        setTimeout(() => resolve(how), GONE_MS).unref()
        this.#child.once('close', () => resolve(how))
      })
    })
    clearTimeout(this.#starting)
    clearTimeout(this.#settling)
    this.#died = new ProcessDied(this.#howItDied(exitCode, signal), pid, exitCode, signal)
    if (pid !== undefined) await groupGone(pid, GONE_MS)
    this.#busy?.outcome.reject(this.#died)
    this.#busy = undefined
    this.#over.resolve()
  }

  #howItDied(exitCode: number | null, signal: string | null): string {
    const { pid } = this.#child
    if (pid === undefined) return 'Its process could not be started.'
    const lastWords = lastWordsIn(this.#lastWords)
    if (lastWords) {
      const { usedBytes, limitBytes } = lastWords.memory
      return `Its process (${pid}) used ${inMiB(usedBytes)} of memory and was ended: its limit is ${inMiB(limitBytes)}.`
    }
    if (this.#lastPrinted.includes('JavaScript heap out of memory')) {
      const limit = this.#memoryBytes === undefined ? 'what Node allows' : inMiB(this.#memoryBytes)
      return `Its process (${pid}) ended, out of memory: its JavaScript heap reached its limit, ${limit}.`
    }
    const how = signal === null ? `ended by itself with exit code ${exitCode}` : `was ended by ${signal}`
    return this.#isReady
      ? `Its process (${pid}) ${how}.`
      : `Its process (${pid}) ${how} before it had loaded ${this.#guest.entry}.${this.#printedAtStart()}`
  }

  /** No task's log has it. */
  #printedAtStart(): string {
    const printed = this.#lastPrinted.trim()
    return this.#isReady || printed === '' ? '' : ` It printed: ${printed}`
  }

  #tell(message: ToProcess): void {
    // It may be gone by now; its end tells the rest.
    if (this.#child.connected) this.#child.send(message, () => {})
  }
}

/** Undefined if it said none, or if it was the handler that wrote there. */
function lastWordsIn(text: string): LastWords | undefined {
  try {
    const { memory }: LastWords = JSON.parse(text)
    return memory && { memory }
  } catch {
    return undefined
  }
}

/** Options that are for one process alone: its script and of what kind that is, debugger, profile, test run, memory. */
const OWN_OPTION =
  /^(-e|-p|-pe|--eval|--print|--(input-type|inspect|watch|test|cpu-prof|heap-prof|max-old-space-size).*)$/

/** As this process was started, so that the app's imports resolve the same way. */
function execArgv(memoryBytes: number | undefined): string[] {
  let own = false
  const inherited = process.execArgv.filter((argument) => {
    // What follows an option without a dash is its value, and shares its fate.
    if (argument.startsWith('-')) own = OWN_OPTION.test(argument)
    return !own
  })
  if (memoryBytes === undefined) return inherited
  return [...inherited, `--max-old-space-size=${Math.floor(memoryBytes / MIB)}`]
}

const MIB = 1024 * 1024
const inMiB = (bytes: number): string => `${Math.round(bytes / MIB)} MiB`
