/**
 * Runs actors against the log: load, decide, append, apply. Append first, apply after, never the other way round.
 *
 * An actor is resident while it is used, with a mailbox that takes one command at a time. It is dropped when idle and
 * comes back from its stream. Its state is only ever what its stream says. With `inspect` a real XState actor of the
 * same machine runs beside each resident, for inspectors to attach to.
 */
import type { InspectionEvent } from 'xstate'
import {
  type EventStore,
  newId,
  type Position,
  type ReadStreamOptions,
  type RecordedEvent,
  type Revision,
  type StoreUnavailable,
  streamName,
  WrongExpectedRevision,
} from '../events/index.ts'
import { Acknowledged } from './acknowledged.ts'
import { type Clock, systemClock } from './clock.ts'
import type { Origin, Outcome } from './command.ts'
import { MailboxFull, TooContended } from './errors.ts'
import { evolutionOf } from './evolve.ts'
import { type ActorKind, type Applied, type Decision, type Fact, nothing, type State } from './kind.ts'
import { Loader } from './loader.ts'
import { type NoAnswer, PatientStore } from './patient-store.ts'
import { RecentlyUsed } from './recently-used.ts'
import { recordedAs } from './repeats.ts'
import { applyAppended, type Resident } from './resident.ts'
import { sealed } from './sealing.ts'
import { SnapshotKeeper, type SnapshotOptions } from './snapshots/index.ts'

export interface ActorSystemOptions {
  readonly app: string
  readonly store: EventStore
  readonly clock?: Clock
  /** Nobody else appends to the log (the embedded store): what is resident is never behind. Default false. */
  readonly exclusive?: boolean
  /** How many actors stay resident. Default 4000: more would grow old, and cost more to collect than to read again. */
  readonly residents?: number
  /** How many commands may wait for one actor. Default 1000. */
  readonly mailbox?: number
  /** How long a command that need not land waits for a store that gives no answer. Default 5000. */
  readonly patienceMs?: number
  /** Where long streams start from. Default: from their first event. */
  readonly snapshots?: SnapshotOptions
  /** Ids of events, of commands without one, and of what a decision makes. Default: UUIDv7. */
  readonly newId?: () => string
  /** Sees every resident machine (for the Stately inspector and the like). */
  readonly inspect?: (event: InspectionEvent) => void
}

const READER: Origin = { by: 'system' }
const PATIENT_READER: Origin = { by: 'system', mustLand: true }
const DECIDE_AGAIN = 20

interface Letter<Command, Context> {
  /** Undefined: only a look. */
  readonly command: Command | undefined
  readonly origin: Origin
  /** When it came, by the clock's `monotonic`. */
  readonly at: number
  resolve(outcome: Outcome<Context>): void
  reject(error: unknown): void
}

/** A resident and what it is asked. */
interface Worker<Command, Context extends Applied> extends Resident<Context> {
  readonly kind: ActorKind<Command, Context>
  readonly key: string
  readonly mailbox: Letter<Command, Context>[]
  busy: boolean
}

// A resident of some kind: the system never looks inside a command or a context.
type AnyWorker = Worker<never, Applied>

/** @returns false if it has something in flight, and stays */
function passivate(resident: AnyWorker): boolean {
  if (resident.busy || resident.mailbox.length > 0) return false
  resident.mirror?.stop()
  return true
}

export class ActorSystem {
  readonly clock: Clock
  readonly app: string
  readonly #store: PatientStore
  readonly #exclusive: boolean
  readonly #patienceMs: number
  readonly #limit: number
  readonly #mailbox: number
  readonly #newId: () => string
  readonly #snapshots: SnapshotKeeper | undefined
  readonly #loader: Loader
  readonly #residents = new RecentlyUsed<AnyWorker>()
  readonly #acknowledged = new Acknowledged()
  readonly #conflicts = new Map<string, number>()
  #underWay = 0
  #idle: (() => void)[] = []

  constructor(options: ActorSystemOptions) {
    this.app = options.app
    this.clock = options.clock ?? systemClock
    this.#patienceMs = options.patienceMs ?? 5000
    this.#store = new PatientStore(options.store, this.clock, this.#patienceMs, (stream, error) =>
      this.#giveUp(stream, error),
    )
    this.#exclusive = options.exclusive ?? false
    this.#limit = options.residents ?? 4_000
    this.#mailbox = options.mailbox ?? 1000
    this.#newId = options.newId ?? newId
    this.#snapshots = options.snapshots && new SnapshotKeeper(options.snapshots)
    this.#loader = new Loader(this.#store, this.#snapshots, options.inspect)
  }

  /**
   * Decides `command` on the actor and records what follows. Resolves when that is durable and applied. An actor whose
   * stream was deleted is as one that never was, until a command would begin it again.
   * @throws the refusal, MailboxFull, TooContended, HistoryCorrupt, WrittenByNewerCode, StoreError (StreamDeleted)
   */
  execute<Command, Context extends Applied>(
    kind: ActorKind<Command, Context>,
    key: string,
    command: Command,
    origin: Origin,
  ): Promise<Outcome<Context>> {
    const resident = this.#resident(kind, key)
    if (resident.mailbox.length >= this.#mailbox && !origin.mustLand) {
      return Promise.reject(new MailboxFull(resident.stream, this.#mailbox))
    }
    return new Promise((resolve, reject) => {
      resident.mailbox.push({ command, origin, at: this.clock.monotonic(), resolve, reject })
      if (!resident.busy) void this.#work(resident)
    })
  }

  /**
   * What the actor is, after the commands given before: up to date with the log, whoever else appends to it.
   * `mustLand`: asks until the store answers, as Origin.mustLand does.
   */
  async read<Command, Context extends Applied>(
    kind: ActorKind<Command, Context>,
    key: string,
    { mustLand = false }: Pick<Origin, 'mustLand'> = {},
  ): Promise<{ readonly state: State<Context>; readonly position: Position }> {
    const resident = this.#resident(kind, key)
    if (!resident.busy && resident.loaded && this.#exclusive) {
      return { state: resident.state, position: resident.position }
    }
    return new Promise((resolve, reject) => {
      const origin = mustLand ? PATIENT_READER : READER
      resident.mailbox.push({ command: undefined, origin, at: this.clock.monotonic(), resolve, reject })
      if (!resident.busy) void this.#work(resident)
    })
  }

  /** All that an actor's stream says, oldest first, or a part of it. Asks until the store answers. */
  history<Command, Context extends Applied>(
    kind: ActorKind<Command, Context>,
    key: string,
    part: ReadStreamOptions = {},
  ): Promise<readonly RecordedEvent[]> {
    return this.#store.readStream(streamName(this.app, kind.kind, key), part, true)
  }

  /** One event of an actor's stream; undefined if it is not that long. Asks until the store answers. */
  async event<Command, Context extends Applied>(
    kind: ActorKind<Command, Context>,
    key: string,
    revision: number,
  ): Promise<RecordedEvent | undefined> {
    return (await this.history(kind, key, { from: BigInt(revision), limit: 1 }))[0]
  }

  /**
   * Ends a stream of this log for good (EventStore.deleteStream), and lets go of what is resident of it: whoever is the
   * log's sole owner deletes this way, since what is resident is not held against the log again. Other nodes notice when
   * they next ask. Asks again while the store gives no answer, as long as a command would.
   * @throws WrongExpectedRevision, StoreError
   */
  async deleteStream(stream: string, expected: Revision | 'no-stream'): Promise<void> {
    await this.#store.deleteStream(stream, expected)
    const resident = this.#residents.peek(stream)
    if (resident) resident.loaded = false
    this.#snapshots?.drop(stream)
  }

  /** What is known without asking the log; undefined unless resident. */
  peek<Command, Context extends Applied>(kind: ActorKind<Command, Context>, key: string): State<Context> | undefined {
    const resident = this.#residents.peek(streamName(this.app, kind.kind, key))
    return resident?.loaded ? (resident.state as State<Context>) : undefined
  }

  /** Whoever knows that an actor will not be asked anything soon says so: it dies young, and cheaply. */
  letGo<Command, Context extends Applied>(kind: ActorKind<Command, Context>, key: string): void {
    this.#residents.drop(streamName(this.app, kind.kind, key), passivate)
  }

  /** At least the position that this node last acknowledged for the stream; START if it never did. */
  acknowledged(stream: string): Position {
    return this.#acknowledged.of(stream)
  }

  /** Nobody else appends to the log. */
  get exclusive(): boolean {
    return this.#exclusive
  }

  /** Appends that somebody else was ahead of, by the type of their first event. */
  get conflicts(): ReadonlyMap<string, number> {
    return this.#conflicts
  }

  /** The last append, if the store gave no answer: its disk is full, say, though reading goes on. */
  get noAnswer(): NoAnswer | undefined {
    return this.#store.noAnswer
  }

  get residents(): number {
    return this.#residents.size
  }

  /** Resolves when no command is under way. */
  async settled(): Promise<void> {
    while (this.#underWay > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  #resident<Command, Context extends Applied>(
    kind: ActorKind<Command, Context>,
    key: string,
  ): Worker<Command, Context> {
    const stream = streamName(this.app, kind.kind, key)
    const known = this.#residents.use(stream)
    if (known) return known as unknown as Worker<Command, Context>
    const evolution = evolutionOf(kind)
    const resident: Worker<Command, Context> = {
      kind,
      key,
      stream,
      mailbox: [],
      evolution,
      ...this.#loader.beginning(evolution),
      mirror: this.#loader.mirror(kind.machine, evolution.initial),
      loaded: false,
      busy: false,
    }
    // Room is made before: the newcomer has nothing in flight yet, and must stay.
    this.#residents.trim(this.#limit - 1, passivate)
    this.#residents.add(stream, resident as unknown as AnyWorker)
    return resident
  }

  async #work<Command, Context extends Applied>(resident: Worker<Command, Context>): Promise<void> {
    resident.busy = true
    this.#underWay++
    for (let letter = resident.mailbox.shift(); letter; letter = resident.mailbox.shift()) {
      try {
        const { command, origin } = letter
        letter.resolve(
          await (command === undefined ? this.#look(resident, origin) : this.#handle(resident, command, origin)),
        )
      } catch (error) {
        letter.reject(error)
      }
      if (resident.loaded && resident.state.context.revision >= resident.snapshotDue) this.#snapshots?.note(resident)
    }
    resident.busy = false
    this.#underWay--
    if (this.#underWay === 0) for (const idle of this.#idle.splice(0)) idle()
    this.#residents.trim(this.#limit, passivate)
  }

  async #look<Command, Context extends Applied>(
    resident: Worker<Command, Context>,
    { mustLand = false }: Origin,
  ): Promise<Outcome<Context>> {
    if (!resident.loaded || !this.#exclusive) await this.#loader.catchUp(resident, mustLand)
    return { state: resident.state, facts: [], position: resident.position }
  }

  /**
   * Decides by what is known of the stream, and appends at the revision up to which it is known. If somebody else was ahead, what
   * they appended is applied, and the command is decided again.
   */
  async #handle<Command, Context extends Applied>(
    resident: Worker<Command, Context>,
    command: Command,
    origin: Origin,
  ): Promise<Outcome<Context>> {
    const { by, commandId, mustLand = false } = origin
    if (!resident.loaded) {
      if (origin.fresh && resident.state.context.revision < 0) resident.loaded = true
      else await this.#loader.catchUp(resident, mustLand)
    }
    let isCurrent = this.#exclusive
    for (let tries = 0; tries < DECIDE_AGAIN || mustLand; tries++) {
      const { state } = resident
      const isRepeat = commandId !== undefined && state.context.commandIds.includes(commandId)
      const repeated = isRepeat ? await recordedAs(this.#store, resident, command, origin) : undefined
      const now = this.clock.now()
      const { facts, refusal }: Decision<Fact> = isRepeat
        ? nothing
        : resident.kind.decide(command, state, { key: resident.key, now, by, newId: this.#newId })
      if (facts.length === 0) {
        // Others append and delete too: a refusal, or "nothing to do", must not rest on what has been overtaken.
        const wasCurrent = isCurrent
        isCurrent = true
        if (!wasCurrent && (await this.#loader.catchUp(resident, mustLand))) continue
        if (refusal) throw refusal
        return { state, facts: [], repeated, position: resident.position }
      }
      const events = sealed(resident, facts, origin, now, this.#newId)
      try {
        const { position } = await this.#store.append(resident.stream, revisionOf(resident), events, mustLand)
        resident.position = position
        this.#acknowledged.note(resident.stream, position)
      } catch (error) {
        if (!(error instanceof WrongExpectedRevision)) {
          // Without an answer it may be recorded all the same: what we hold is no longer known to be the stream.
          resident.loaded = false
          throw error
        }
        this.#noteConflict(events[0]?.type ?? '')
        await this.#loader.catchUp(resident, mustLand)
        continue
      }
      applyAppended(resident, events, now)
      if (refusal) throw refusal
      return { state: resident.state, facts: events, position: resident.position }
    }
    throw new TooContended(resident.stream, DECIDE_AGAIN)
  }

  #noteConflict(type: string): void {
    this.#conflicts.set(type, (this.#conflicts.get(type) ?? 0) + 1)
  }

  /** While one command waits for the store, those behind it wait no longer than they would by themselves. */
  #giveUp(stream: string, error: StoreUnavailable): void {
    const resident = this.#residents.peek(stream)
    if (!resident) return
    const since = this.clock.monotonic() - this.#patienceMs
    for (const letter of resident.mailbox.splice(0)) {
      if (letter.origin.mustLand || letter.at > since) resident.mailbox.push(letter)
      else letter.reject(error)
    }
  }
}

/** Up to where the stream is known. */
function revisionOf({ state }: { readonly state: State<Applied> }): Revision | 'no-stream' {
  const { revision } = state.context
  return revision < 0 ? 'no-stream' : BigInt(revision)
}
