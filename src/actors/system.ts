/**
 * Runs actors against the log: load, decide, append, apply. Append first, apply after, never the other way round.
 *
 * An actor is resident while it is used, with a mailbox that takes one command at a time. It is dropped when idle and
 * comes back from its stream. Its state is only ever what its stream says. With `inspect` a real XState actor of the
 * same machine runs beside each resident, for inspectors to attach to.
 */
import { type AnyActor, type AnyStateMachine, createActor, type InspectionEvent } from 'xstate'
import {
  type Actor,
  currentVersion,
  type EventData,
  type EventMetadata,
  type EventStore,
  type JsonObject,
  newId,
  type Position,
  type ReadStreamOptions,
  type RecordedEvent,
  type Revision,
  StoreError,
  type StoreUnavailable,
  seal,
  streamName,
  WrongExpectedRevision,
} from '../events/index.ts'
import { Acknowledged } from './acknowledged.ts'
import { type Clock, systemClock } from './clock.ts'
import { CommandIdTaken, MailboxFull, TooContended } from './errors.ts'
import { evolutionOf } from './evolve.ts'
import { type ActorKind, type Applied, type Decision, type Fact, nothing, type State } from './kind.ts'
import { type NoAnswer, PatientStore } from './patient-store.ts'
import { RecentlyUsed } from './recently-used.ts'
import { applyAppended, beginning, put, type Resident, replay, type Standing } from './resident.ts'
import { SnapshotKeeper, type SnapshotOptions } from './snapshots/index.ts'

/** Where a command comes from. */
export interface Origin {
  readonly by: Actor
  /** The id a client gave it; recorded, so that a repeat is recognised. */
  readonly commandId?: string | undefined
  /** The first cause. Default: the command itself. */
  readonly correlationId?: string | undefined
  /** What led here. Default: the command itself. */
  readonly causationId?: string | undefined
  readonly traceparent?: string | undefined
  /** The stream is new: spare the look. Harmless when wrong. */
  readonly fresh?: boolean
  /**
   * Ends a run, or claims one: bypasses a full mailbox, and is retried until the store answers, since half the world
   * hangs on it. Others give up after `patienceMs`.
   */
  readonly mustLand?: boolean
}

export type AppliedFact = Pick<EventData, 'id' | 'type' | 'data' | 'metadata'>

export interface Outcome<Context> {
  readonly state: State<Context>
  /** What this command added; none if it changed nothing. */
  readonly facts: readonly AppliedFact[]
  /** Of a client's command that is repeated: what it was recorded as, where its kind tells it from others. */
  readonly repeated?: AppliedFact | undefined
  /** Of the actor's last event that this node knows, START if it has none. */
  readonly position: Position
}

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
/** Events read at a time, back from the end of a stream, for what a command was recorded as. */
const LOOK_BACK = 200
const DECIDE_AGAIN = 20
/** Events of a stream that are in memory at once. */
const PAGE = 2000

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
  readonly #inspect: ((event: InspectionEvent) => void) | undefined
  readonly #snapshots: SnapshotKeeper | undefined
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
    this.#inspect = options.inspect
    this.#snapshots = options.snapshots && new SnapshotKeeper(options.snapshots)
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
      ...beginning(evolution, this.#firstSnapshotDue),
      mirror: this.#mirror(kind.machine, evolution.initial),
      loaded: false,
      busy: false,
    }
    // Room is made before: the newcomer has nothing in flight yet, and must stay.
    this.#residents.trim(this.#limit - 1, passivate)
    this.#residents.add(stream, resident as unknown as AnyWorker)
    return resident
  }

  #mirror(machine: AnyStateMachine, state: State<Applied>): AnyActor | undefined {
    if (!this.#inspect) return undefined
    return createActor(machine, { inspect: this.#inspect, snapshot: machine.resolveState(state) }).start()
  }

  get #firstSnapshotDue(): number {
    return this.#snapshots?.firstDue ?? Number.POSITIVE_INFINITY
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
    if (!resident.loaded || !this.#exclusive) await this.#catchUp(resident, mustLand)
    return { state: resident.state, facts: [], position: resident.position }
  }

  async #handle<Command, Context extends Applied>(
    resident: Worker<Command, Context>,
    command: Command,
    origin: Origin,
  ): Promise<Outcome<Context>> {
    const { mustLand = false } = origin
    if (!resident.loaded) {
      if (origin.fresh && resident.state.context.revision < 0) resident.loaded = true
      else await this.#catchUp(resident, mustLand)
    }
    let known = this.#exclusive
    for (let tries = 0; tries < DECIDE_AGAIN || mustLand; tries++) {
      const state = resident.state
      const isRepeat = origin.commandId !== undefined && state.context.commandIds.includes(origin.commandId)
      const repeated = isRepeat ? await this.#recordedAs(resident, command, origin) : undefined
      const now = this.clock.now()
      const decision: Decision<Fact> = isRepeat
        ? nothing
        : resident.kind.decide(command, state, { key: resident.key, now, by: origin.by, newId: this.#newId })
      if (decision.facts.length === 0 && !known) {
        // Others append and delete too: a refusal, or "nothing to do", must not rest on what has been overtaken.
        known = true
        if (await this.#catchUp(resident, mustLand)) continue
      }
      if (decision.facts.length === 0) {
        if (decision.refusal) throw decision.refusal
        return { state, facts: [], repeated, position: resident.position }
      }
      const events = this.#seal(resident, decision, origin, now)
      const { revision } = resident.state.context
      const expected = revision < 0 ? 'no-stream' : BigInt(revision)
      try {
        const { position } = await this.#store.append(resident.stream, expected, events, mustLand)
        resident.position = position
        this.#acknowledged.note(resident.stream, position)
      } catch (error) {
        if (!(error instanceof WrongExpectedRevision)) {
          // Without an answer it may be recorded all the same: what we hold is no longer known to be the stream.
          resident.loaded = false
          throw error
        }
        const type = events[0]?.type ?? ''
        this.#conflicts.set(type, (this.#conflicts.get(type) ?? 0) + 1)
        await this.#catchUp(resident, mustLand)
        continue
      }
      applyAppended(resident, events, now)
      if (decision.refusal) throw decision.refusal
      return { state: resident.state, facts: events, position: resident.position }
    }
    throw new TooContended(resident.stream, DECIDE_AGAIN)
  }

  /**
   * What a command that is repeated led to the first time. It was a while ago, so the stream is read from its end.
   * @throws CommandIdTaken if the id is that of another command: it must not be answered as if this one were done
   */
  async #recordedAs<Command, Context extends Applied>(
    { kind, stream }: Worker<Command, Context>,
    command: Command,
    { commandId = '', mustLand = false }: Origin,
  ): Promise<AppliedFact | undefined> {
    if (!kind.leadsTo) return undefined
    let page: ReadStreamOptions | undefined = { direction: 'backwards', limit: LOOK_BACK }
    while (page) {
      const events: readonly RecordedEvent[] = await this.#store.readStream(stream, page, mustLand)
      const itsOwn = events.filter(({ metadata }) => metadata.commandId === commandId)
      const found = itsOwn.find((event) => kind.leadsTo?.(command, event))
      if (found) return found
      if (itsOwn.length > 0) throw new CommandIdTaken(commandId, kind.kind)
      const oldest = events.at(-1)?.revision ?? 0n
      page = oldest > 0n ? { ...page, from: oldest - 1n } : undefined
    }
    return undefined
  }

  #seal<Context extends Applied>(
    resident: Resident<Context>,
    decision: Decision<Fact>,
    origin: Origin,
    now: number,
  ): EventData[] {
    const commandId = origin.commandId ?? this.#newId()
    const at = new Date(now).toISOString()
    let { hash } = resident
    let revision = BigInt(resident.state.context.revision)
    return decision.facts.map((fact) => {
      // In the order of their names, which the hash takes them in.
      const metadata: EventMetadata = {
        at,
        by: fact.by ?? origin.by,
        causationId: origin.causationId ?? commandId,
        ...(origin.commandId === undefined ? {} : { commandId: origin.commandId }),
        correlationId: origin.correlationId ?? origin.causationId ?? commandId,
        ...(origin.traceparent === undefined ? {} : { traceparent: origin.traceparent }),
        v: currentVersion(resident.kind.kind, fact.type),
      }
      revision += 1n
      const data = fact.data as JsonObject
      const sealed = seal(resident.stream, revision, hash, {
        id: fact.id ?? this.#newId(),
        type: fact.type,
        data,
        metadata,
      })
      hash = sealed.metadata.hash
      return sealed
    })
  }

  /** Applies what the log has beyond what the actor knows. @returns whether there was anything */
  async #catchUp<Context extends Applied>(resident: Resident<Context>, mustLand: boolean): Promise<boolean> {
    if (!resident.loaded) {
      if (await this.#resume(resident, mustLand)) return true
      this.#renew(resident, beginning(resident.evolution, this.#firstSnapshotDue))
    }
    const before = resident.state.context.revision
    if (!(await this.#follow(resident, mustLand))) {
      resident.loaded = false
      await this.#catchUp(resident, mustLand)
      return true
    }
    resident.loaded = true
    return resident.state.context.revision > before
  }

  /**
   * Applies what follows in the stream, a page at a time: all that a long stream says need not be in memory at once.
   * @returns false if the last event that is known is gone, and with it the stream and all that was known
   */
  async #follow<Context extends Applied>(resident: Resident<Context>, mustLand: boolean): Promise<boolean> {
    for (;;) {
      const { revision } = resident.state.context
      // From the last event that is known: also what was read of a stream that is deleted between two pages is nothing.
      const from = BigInt(Math.max(revision, 0))
      const page = await this.#read(resident, from, mustLand)
      if (revision >= 0 && page[0]?.revision !== from) return false
      for (const event of revision < 0 ? page : page.slice(1)) replay(resident, event)
      if (page.length < PAGE) return true
    }
  }

  /**
   * Starts from the stream's snapshot, if the log has the event it ends with at its place: after a backup was restored,
   * or beside another log, it has not. A snapshot after which the rest does not fit is not believed either.
   */
  async #resume<Context extends Applied>(resident: Resident<Context>, mustLand: boolean): Promise<boolean> {
    const kept = this.#snapshots?.find(resident)
    if (!kept) return false
    const [last, ...rest] = await this.#read(resident, BigInt(kept.revision), mustLand)
    if (last?.revision === BigInt(kept.revision) && last.id === kept.id && last.metadata.hash === kept.hash) {
      const { state, id: eventId, hash, nextDue: snapshotDue } = kept
      this.#renew(resident, { state, eventId, hash, snapshotDue, position: last.position })
      try {
        for (const event of rest) replay(resident, event)
        if (rest.length + 1 < PAGE || (await this.#follow(resident, mustLand))) {
          resident.loaded = true
          return true
        }
      } catch (error) {
        if (error instanceof StoreError) throw error
        // If it is the log that cannot be read, reading all of it says so.
      }
    }
    this.#snapshots?.drop(resident.stream)
    return false
  }

  #read<Context extends Applied>({ stream }: Resident<Context>, from: bigint, mustLand: boolean) {
    return this.#store.readStream(stream, { from, limit: PAGE }, mustLand)
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

  #renew<Context extends Applied>(resident: Resident<Context>, standing: Standing<Context>): void {
    resident.mirror?.stop()
    resident.mirror = this.#mirror(resident.kind.machine, standing.state)
    put(resident, standing)
  }
}
