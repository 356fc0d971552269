/**
 * Runs one seed: random commands, faults, crashes and restarts on the real actors, dispatcher, runner, turns, schedules,
 * locks and read models, in simulated time. Then the faults stop, everything is given time to end, and the invariants
 * are held against what was recorded.
 *
 * Nothing waits for real time. All waiting is on the simulated clock, everything else is microtasks; one turn of the
 * event loop lets all of those run.
 */
import { createHash } from 'node:crypto'
import { CapsuleError, ManualClock, MemorySnapshots, type SnapshotStore } from '../../src/actors/index.ts'
import { type RecordedEvent, START, StoreClosed, StoreUnavailable } from '../../src/events/index.ts'
import { ReadModelBehind, ReadModelsClosed } from '../../src/projections/index.ts'
import { type Command, Commands } from './commands.ts'
import { type Connection, type Faults, FaultyLog, NO_FAULTS } from './faulty-log.ts'
import type { Acknowledged, History, Invariant } from './history.ts'
import { INVARIANTS } from './invariants/index.ts'
import { Process, type ProcessOptions } from './process.ts'
import { Random } from './random.ts'
import type { Execution } from './simulated-app.ts'

export interface SimulationOptions {
  readonly invariants?: readonly Invariant[]
  /** For mutations (see mutations.ts). */
  readonly wrapStore?: ProcessOptions['wrapStore']
  readonly makeSystem?: ProcessOptions['makeSystem']
  readonly wrapClock?: ProcessOptions['wrapClock']
  readonly wrapSnapshots?: (snapshots: SnapshotStore) => SnapshotStore
  /** Told each step as it is taken. */
  readonly trace?: (line: string) => void
}

export interface Outcome {
  readonly seed: number
  /** Broken invariants, and what nobody expected; empty if all is well. */
  readonly violations: readonly string[]
  readonly events: readonly RecordedEvent[]
  /** SHA-256 of the log without what differs from run to run: ids, their hashes, stacks. */
  readonly hash: string
}

/** The chances of one seed: each has some features and faults, and is without the others. */
interface Weather {
  /** At most so many at the same time. */
  readonly nodes: number
  readonly steps: number
  readonly crash: number
  readonly stop: number
  readonly outage: number
  /** Of a process, or of all of them: they share a machine that is suspended, say. */
  readonly sleep: number
  /** One of several does not hear of what the others record. */
  readonly deaf: number
  readonly faults: Faults
  readonly scheduled: boolean
  readonly concurrency: number
  readonly residents: number
  readonly longestWaitMs: number
}

interface Member {
  readonly id: string
  readonly connection: Connection
  /** Once it is open. */
  process: Process | undefined
}

/** Codes of errors that say that something is broken, not that a command does not fit. */
const BROKEN = ['history-corrupt', 'written-by-newer-code', 'too-contended', 'mailbox-full']
/** Which process uses which is as good as any order; several at once do not mind. */
const DIRECTORIES = 3
/** Longer than anything takes once the faults are over: several turns, each until its timeout of ten minutes. */
const SETTLE_MINUTES = 240

export async function simulate(seed: number, options: SimulationOptions = {}): Promise<Outcome> {
  const simulation = new Simulation(seed, options)
  return simulation.run()
}

class Simulation {
  readonly #seed: number
  readonly #options: SimulationOptions
  readonly #clock = new ManualClock()
  readonly #random: Random
  readonly #weather: Weather
  readonly #log: FaultyLog
  readonly #commands: Commands
  readonly #executions: Execution[] = []
  /** Of each directory: whoever comes back to one finds what was kept there, however old. */
  readonly #snapshots = Array.from({ length: DIRECTORIES }, () => new MemorySnapshots())
  readonly #acknowledged: Acknowledged[] = []
  readonly #violations: string[] = []
  /** Commands that a live process has not answered. */
  readonly #waiting = new Set<{ readonly command: Command; readonly process: Process }>()
  readonly #jitter: Random
  /** Those that are starting, running or stopping. */
  readonly #members = new Set<Member>()
  readonly #sleeps = new Map<string, Connection['sleeps']>()
  #processes = 0
  #ids = 0

  constructor(seed: number, options: SimulationOptions) {
    this.#seed = seed
    this.#options = options
    this.#random = new Random(seed)
    this.#jitter = this.#random.fork()
    this.#weather = weatherOf(this.#random.fork())
    this.#commands = new Commands(this.#random.fork())
    this.#log = new FaultyLog({ clock: this.#clock, random: this.#random.fork(), faults: this.#weather.faults })
  }

  async run(): Promise<Outcome> {
    const { steps } = this.#weather
    await this.#start()
    for (let step = 0; step < steps; step++) await this.#step()
    await this.#settle()
    const [process] = this.#running
    const events = await this.#events()
    if (process) await this.#check(process, events)
    for (const member of this.#members) this.#crash(member)
    return { seed: this.#seed, violations: this.#violations, events, hash: hashOf(events) }
  }

  get #running(): Process[] {
    return [...this.#members].flatMap(({ process }) => (process ? [process] : []))
  }

  async #step(): Promise<void> {
    const random = this.#random
    const { nodes, crash, stop, outage, deaf, sleep, longestWaitMs } = this.#weather
    const members = [...this.#members].filter(({ process }) => process)
    const awake = members.filter(({ connection }) => !connection.isAsleep)
    const member = awake.length > 0 ? random.pick(awake) : undefined
    if (!member && members.length > 0) return this.#pass(random.between(500, 5000))
    const process = member?.process
    if (!process) {
      // Killed or failed to start: what comes next is another one, perhaps after a while.
      if (random.chance(0.3)) await this.#pass(random.between(0, 240_000))
      await this.#start()
    } else if (members.length < nodes && random.chance(0.2)) await this.#start()
    else if (random.chance(crash)) this.#crash(member)
    else if (random.chance(stop)) await this.#stop(member, random.between(0, 12_000))
    else if (random.chance(outage)) {
      const ms = random.between(100, 20_000)
      this.#tell(`the log is gone for ${ms} ms`)
      this.#log.outage(ms)
    } else if (members.length > 1 && random.chance(deaf)) {
      const ms = random.between(9000, 30_000)
      this.#tell(`process ${member.id} hears nothing for ${ms} ms`)
      member.connection.deafen(ms)
      await this.#pass(ms)
    } else if (random.chance(sleep)) {
      // Two seconds are more than a node may take for its own loop being late.
      const ms = random.between(2_000, 30_000)
      for (const asleep of random.chance(0.5) ? [member] : awake) this.#sleep(asleep, ms)
    } else if (random.chance(0.35)) await this.#pass(random.between(0, longestWaitMs))
    else this.#command(process, this.#commands.next())
    await turn()
  }

  #command(process: Process, command: Command): void {
    this.#tell(`${command.name} ${command.id}`)
    const waiting = { command, process }
    this.#waiting.add(waiting)
    command
      .give(process.engine)
      .then(
        (answer) => {
          if (process.isGone) return
          this.#tell(`  answered: ${command.name} ${command.id}`)
          const { name, commandId, id } = command
          this.#acknowledged.push({ command: name, commandId, id, answer })
          this.#violations.push(...this.#commands.answered(command, answer))
        },
        (error) => {
          if (process.isGone) return
          this.#tell(`  refused: ${command.name} ${command.id}: ${error}`)
          if (!isExpected(error)) this.#violations.push(`${command.name} ${command.id} failed with ${printed(error)}`)
        },
      )
      .finally(() => this.#waiting.delete(waiting))
  }

  async #start(): Promise<void> {
    const id = `n${++this.#processes}`
    this.#tell(`process ${id} starts`)
    const { nodes, concurrency, residents, scheduled } = this.#weather
    const connection = this.#log.connect(() => this.#crash(member))
    const snapshots = this.#snapshots[this.#processes % DIRECTORIES] ?? new MemorySnapshots()
    const member: Member = { id, connection, process: undefined }
    this.#members.add(member)
    const report = (error: unknown, doing: string): void => {
      this.#tell(`  reported by ${id}: ${doing}: ${error}`)
      if (!isExpected(error)) this.#violations.push(`${id} reported, ${doing}: ${printed(error)}`)
    }
    const starting = Process.open(
      {
        id,
        log: this.#log,
        concurrency,
        residents,
        scheduled,
        alone: nodes === 1,
        newId: () => this.#newId(),
        random: () => this.#jitter.next(),
        executions: this.#executions,
        snapshots: this.#options.wrapSnapshots?.(snapshots) ?? snapshots,
        report,
        wrapStore: this.#options.wrapStore,
        makeSystem: this.#options.makeSystem,
        wrapClock: this.#options.wrapClock,
      },
      connection,
    ).then(async (process) => {
      member.process = process
      await process.start()
      return process
    })
    const outcome = await this.#inTime(member, starting)
    if (outcome instanceof Process) return
    this.#crash(member)
    if (outcome !== 'late') {
      this.#tell(`  failed to start: ${outcome}`)
      if (!isExpected(outcome)) this.#violations.push(`${id} failed to start: ${printed(outcome)}`)
    }
  }

  #crash(member: Member): void {
    const { id, connection, process } = member
    if (!connection.isCut) this.#tell(`process ${id} is killed`)
    connection.cut()
    process?.crash()
    this.#members.delete(member)
    for (const command of this.#waiting) if (command.process === process) this.#waiting.delete(command)
  }

  #sleep({ id, connection }: Member, ms: number): void {
    this.#tell(`process ${id} sleeps for ${ms} ms`)
    connection.sleep(ms)
    this.#sleeps.set(id, connection.sleeps)
  }

  async #stop(member: Member, drainMs: number): Promise<void> {
    this.#tell(`process ${member.id} drains for ${drainMs} ms`)
    const outcome = await this.#inTime(member, member.process?.stop(drainMs))
    if (outcome !== undefined) {
      this.#tell(`  did not stop: ${outcome}`)
      if (outcome !== 'late' && !isExpected(outcome)) this.#violations.push(`did not stop: ${printed(outcome)}`)
    }
    this.#crash(member)
  }

  /** Lets up to two minutes pass for `work`: what it resolves with, its error, or `late`. */
  async #inTime<T>({ connection }: Member, work: Promise<T> | undefined): Promise<T | unknown | 'late'> {
    let done = false
    let outcome: unknown = 'late'
    work?.then(
      (result) => {
        done = true
        outcome = result
      },
      (error) => {
        done = true
        outcome = error
      },
    )
    await turn()
    for (let ms = 0; !done && !connection.isCut && ms < 120_000; ms += 500) await this.#pass(500)
    return outcome
  }

  /** The faults are over, everybody may end. */
  async #settle(): Promise<void> {
    this.#tell('the faults are over')
    this.#log.heal()
    if (this.#running.length === 0) await this.#start()
    const [process] = this.#running
    if (!process) {
      this.#violations.push('no process starts though the log is well')
      return
    }
    // What is on its way arrives first: a pause that lands after its resume would hold things up for ever.
    await this.#pass(30_000)
    for (const command of this.#commands.last(this.#weather.scheduled)) this.#command(process, command)
    await this.#pass(60_000)
    for (let minute = 1; minute < SETTLE_MINUTES && this.#running.some(({ isQuiet }) => !isQuiet); minute++)
      await this.#pass(60_000)
    for (const { command } of this.#waiting) {
      const { name, id } = command
      this.#violations.push(`${name} ${id} was never answered`)
    }
  }

  async #check(process: Process, events: readonly RecordedEvent[]): Promise<void> {
    const history: History = {
      seed: this.#seed,
      events,
      acknowledged: this.#acknowledged,
      executions: this.#executions,
      reads: process.engine.reads,
      endedAt: this.#clock.now(),
      alone: this.#weather.nodes === 1,
      outages: this.#log.outages,
      sleeps: this.#sleeps,
    }
    for (const { name, check } of this.#options.invariants ?? INVARIANTS) {
      for await (const broken of check(history)) this.#violations.push(`${name}: ${broken}`)
    }
  }

  async #pass(ms: number): Promise<void> {
    this.#tell(`${ms} ms pass`)
    await this.#clock.advance(ms, turn)
  }

  async #events(): Promise<readonly RecordedEvent[]> {
    return this.#log.recorded.readAll({ from: START, limit: Number.MAX_SAFE_INTEGER })
  }

  /** Of the form of a UUID; which node is the first for a task depends on its id. */
  #newId(): string {
    return `00000000-0000-7000-8000-${(++this.#ids).toString(16).padStart(12, '0')}`
  }

  #tell(line: string): void {
    this.#options.trace?.(`${new Date(this.#clock.now()).toISOString().slice(11, 23)} ${line}`)
  }
}

function weatherOf(random: Random): Weather {
  const some = (chance: number, most: number) => (random.chance(chance) ? random.next() * most : 0)
  const faulty = random.chance(0.75)
  return {
    nodes: random.pick([1, 1, 1, 2, 3]),
    steps: random.between(15, 70),
    crash: some(0.6, 0.1),
    stop: some(0.3, 0.06),
    outage: some(0.3, 0.06),
    sleep: some(0.3, 0.06),
    faults: faulty
      ? {
          slow: some(0.6, 0.6),
          slowestMs: random.pick([5, 100, 3000]),
          failBefore: some(0.5, 0.2),
          failAfter: some(0.5, 0.2),
          killAfter: some(0.3, 0.03),
          failRead: some(0.3, 0.1),
          lag: some(0.6, 0.6),
          longestLagMs: random.pick([10, 500, 5000, 20_000]),
          drop: some(0.3, 0.05),
        }
      : NO_FAULTS,
    scheduled: random.chance(0.4),
    concurrency: random.pick([1, 2, 3, 8]),
    residents: random.pick([1, 3, 100]),
    longestWaitMs: random.pick([500, 5000, 60_000]),
    deaf: some(0.8, 0.3),
  }
}

/** Everything that waits for nothing but the event loop runs. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** A command that does not fit, or a log that could not be reached. */
function isExpected(error: unknown): boolean {
  if (error instanceof CapsuleError) return !BROKEN.includes(error.code)
  return (
    error instanceof StoreUnavailable ||
    error instanceof StoreClosed ||
    error instanceof ReadModelBehind ||
    error instanceof ReadModelsClosed
  )
}

function printed(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g

/** Ids are numbered as they appear, and what is made of them or of file names is left out. */
function hashOf(events: readonly RecordedEvent[]): string {
  const ids = new Map<string, string>()
  const hash = createHash('sha256')
  for (const { stream, revision, type, data, metadata, recordedAt, id } of events) {
    const { hash: _, ...rest } = metadata
    const text = JSON.stringify([stream, String(revision), type, id, data, rest, recordedAt], (key, value) =>
      key === 'stack' ? undefined : value,
    )
    hash.update(
      text.replaceAll(UUID, (uuid) => {
        const known = ids.get(uuid) ?? `id${ids.size}`
        ids.set(uuid, known)
        return known
      }),
    )
  }
  return hash.digest('hex')
}
