/**
 * Rules switched off, one at a time, to see that the invariants miss them: a test of the tests. Nothing in src knows of
 * it. A mutation stands between the node and its log, or takes the place of a public method or decider for a while.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { deserialize, serialize } from 'node:v8'
import {
  type ActorKind,
  ActorSystem,
  type ActorSystemOptions,
  type Clock,
  type LockCommand,
  type LockContext,
  limitKind,
  lockKind,
  type Origin,
  type Outcome,
  type Snapshot,
  type SnapshotStore,
  type State,
  type TaskCommand,
  type TaskContext,
  taskKind,
} from '../../src/actors/index.ts'
import type { Applied } from '../../src/actors/kind.ts'
import { type EventStore, type Position, parseStream, START, StoreUnavailable } from '../../src/events/index.ts'
import { Aftermath } from '../../src/execution/aftermath.ts'
import { LockKeeper } from '../../src/execution/locks.ts'
import { Schedules } from '../../src/execution/schedules.ts'
import { APP } from './simulated-app.ts'

export interface Mutation {
  readonly name: string
  readonly wrapStore?: (store: EventStore) => EventStore
  readonly makeSystem?: (options: ActorSystemOptions) => ActorSystem
  readonly wrapClock?: (clock: Clock) => Clock
  readonly wrapSnapshots?: (snapshots: SnapshotStore) => SnapshotStore
  /** @returns how to undo it */
  readonly install?: () => () => void
  /** The first seed to try, default 1: for what few seeds meet, a place with one not far. */
  readonly from?: number
}

// The store ----------------------------------------------------------------------------------------------------------

function acknowledgeFirst(store: EventStore): EventStore {
  return over(store, async (stream, expected, events) => {
    if (expected === 'any') return store.append(stream, expected, events)
    store.append(stream, expected, events).catch(() => {})
    const before = expected === 'no-stream' ? -1n : expected
    return { revision: before + BigInt(events.length), position: START as Position }
  })
}

function giveUpOnClaims(store: EventStore): EventStore {
  return over(store, async (stream, expected, events) => {
    try {
      return await store.append(stream, expected, events)
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || !events.some(({ type }) => type === 'TaskStarted')) throw error
      throw new StoreUnavailable(error.message, { retryable: false })
    }
  })
}

function claimAnyhow(store: EventStore): EventStore {
  return over(store, (stream, expected, events) => {
    const claims = events.some(({ type }) => type === 'TaskStarted')
    return store.append(stream, claims ? 'any' : expected, events)
  })
}

/** Who judges another's silence asks its stream what is still on its way: it hears that nothing is. */
function judgeByEar(store: EventStore): EventStore {
  const readStream: EventStore['readStream'] = async (stream, options) =>
    parseStream(APP, stream)?.kind === 'node' ? [] : store.readStream(stream, options)
  return over(store, (stream, expected, events) => store.append(stream, expected, events), readStream)
}

/** The memory of a command that a client repeats is the node's own: others' events say nothing of it. */
function forgetOthersCommands(store: EventStore): EventStore {
  const own = new Set<string>()
  return over(
    store,
    (stream, expected, events) => {
      for (const { id } of events) own.add(id)
      return store.append(stream, expected, events)
    },
    async (stream, options) =>
      (await store.readStream(stream, options)).map((event) => {
        const { commandId, ...metadata } = event.metadata
        return commandId === undefined || own.has(event.id) ? event : { ...event, metadata }
      }),
  )
}

function over(
  store: EventStore,
  append: EventStore['append'],
  readStream: EventStore['readStream'] = (stream, options) => store.readStream(stream, options),
): EventStore {
  return {
    append,
    readStream,
    readAll: (options) => store.readAll(options),
    subscribe: (options, subscriber) => store.subscribe(options, subscriber),
    head: () => store.head(),
    deleteStream: (stream, expected) => store.deleteStream(stream, expected),
    capStream: (stream, maxCount) => store.capStream(stream, maxCount),
    close: () => store.close(),
  }
}

// Snapshots ----------------------------------------------------------------------------------------------------------

/** A snapshot says that it is newer than the state in it: what happened in between is forgotten. */
function keepLate(snapshots: SnapshotStore): SnapshotStore {
  const former = new Map<string, Snapshot>()
  return {
    load: (stream, version) => snapshots.load(stream, version),
    save(stream, version, snapshot) {
      const { state } = former.get(stream) ?? snapshot
      former.set(stream, snapshot)
      snapshots.save(stream, version, { ...snapshot, state: withRevision(state, snapshot.revision) })
    },
    drop: (stream) => snapshots.drop(stream),
    close: () => snapshots.close(),
  }
}

function withRevision(state: Uint8Array, revision: number): Uint8Array {
  const { value, context } = deserialize(state) as State<Applied>
  return serialize({ value, context: { ...context, revision } })
}

// Deciders -----------------------------------------------------------------------------------------------------------

type Decide<Command, Context extends TaskContext | LockContext> = ActorKind<Command, Context>['decide']
type Task = State<TaskContext>

function decideTask(mutate: (decide: typeof taskKind.decide) => Decide<TaskCommand, TaskContext>): () => void {
  const { decide } = taskKind
  taskKind.decide = mutate(decide)
  return () => {
    taskKind.decide = decide
  }
}

function decideLock(mutate: (decide: typeof lockKind.decide) => Decide<LockCommand, LockContext>): () => void {
  const { decide } = lockKind
  lockKind.decide = mutate(decide)
  return () => {
    lockKind.decide = decide
  }
}

function ignoreClaim(decide: typeof taskKind.decide): typeof taskKind.decide {
  return (command, task, context) => {
    if (!('claim' in command) || command.type === 'start' || command.claim === undefined) {
      return decide(command, task, context)
    }
    const { claim } = task.context
    const anybody = { id: command.claim, attempt: 1, node: '', startedAt: 0, deadline: undefined, alone: false }
    return claim
      ? decide({ ...command, claim: claim.id }, task, context)
      : decide(command, withContext(task, { claim: anybody }), context)
  }
}

function retryCancelled(decide: typeof taskKind.decide): typeof taskKind.decide {
  return (command, task, context) => {
    const interrupts = command.type === 'acknowledgeCancel' && task.context.claim?.id === command.claim
    if (!interrupts) return decide(command, task, context)
    const runAt = new Date(context.now).toISOString()
    return { facts: [{ type: 'TaskInterrupted', data: { claim: command.claim, cause: 'lost', runAt } }] }
  }
}

function retryForEver(decide: typeof taskKind.decide): typeof taskKind.decide {
  return (command, task, context) => decide(command, withContext(task, { failures: -1 }), context)
}

function lastComeFirstServed(decide: typeof lockKind.decide): typeof lockKind.decide {
  return (command, lock, context) => {
    const queue = command.type === 'release' ? lock.context.queue.toReversed() : lock.context.queue
    return decide(command, { ...lock, context: { ...lock.context, queue } }, context)
  }
}

function withContext(task: Task, context: Partial<TaskContext>): Task {
  return { ...task, context: { ...task.context, ...context } }
}

// The system ---------------------------------------------------------------------------------------------------------

/** What to do instead of a command: perhaps another one first, then it from this origin, or nothing. */
type Instead = (
  system: ActorSystem,
  call: { readonly key: string; readonly command: unknown; readonly origin: Origin },
) => Promise<Origin | 'leave it'>

class TamperedSystem extends ActorSystem {
  readonly #instead: Instead

  constructor(options: ActorSystemOptions, instead: Instead) {
    super(options)
    this.#instead = instead
  }

  override async execute<Command, Context extends Applied>(
    kind: ActorKind<Command, Context>,
    key: string,
    command: Command,
    origin: Origin,
  ): Promise<Outcome<Context>> {
    const from = await this.#instead(this, { key, command, origin })
    return from === 'leave it'
      ? { ...(await this.read(kind, key)), facts: [] }
      : super.execute(kind, key, command, from)
  }
}

function tamper(instead: Instead): NonNullable<Mutation['makeSystem']> {
  return (options) => new TamperedSystem(options, instead)
}

function swallow(type: string) {
  return tamper(async (_, { command, origin }) =>
    field(command, 'type') === type && field(command, 'cause') === 'crash' ? 'leave it' : origin,
  )
}

function releaseFirst() {
  return tamper(async (system, { key, command, origin }) => {
    const lockKey = system.peek(taskKind, key)?.context.submission?.lockKey
    if (field(command, 'type') === 'complete' && lockKey !== undefined) {
      await system.execute(lockKind, lockKey, { type: 'release', taskId: key, reason: 'early' }, origin)
    }
    return origin
  })
}

function forgetCommands() {
  return tamper(async (_, { origin: { commandId: __, ...origin } }) => origin)
}

/** Whoever armed a timer cannot see that it is late: in its callback the clock first says when it was due. */
function hideLateness(clock: Clock): Clock {
  let pretended: number | undefined
  const onTime = (at: number, fire: () => void) => (): void => {
    pretended = at
    fire()
    pretended = undefined
  }
  return {
    now: () => clock.now(),
    at: (at, fire) => clock.at(at, fire),
    monotonic: () => {
      const says = pretended ?? clock.monotonic()
      pretended = undefined
      return says
    },
    after: (ms, fire) => clock.after(ms, onTime(clock.monotonic() + ms, fire)),
  }
}

function noLockRepair(): () => void {
  const { repair } = LockKeeper.prototype
  LockKeeper.prototype.repair = async () => {}
  return () => {
    LockKeeper.prototype.repair = repair
  }
}

function noOccurrenceRepair(): () => void {
  const { submit } = Schedules.prototype
  // Only a repair knows of no event that asked for it.
  Schedules.prototype.submit = async function (name, due, taskId, cause) {
    if (cause !== undefined) await submit.call(this, name, due, taskId, cause)
  }
  return () => {
    Schedules.prototype.submit = submit
  }
}

function noFinishRepair(): () => void {
  const { start, finish } = Schedules.prototype
  const started = new WeakSet<Schedules>()
  Schedules.prototype.start = async function () {
    started.add(this)
    await start.call(this)
  }
  // What a start puts right comes before it ticks.
  Schedules.prototype.finish = async function (...occurrence) {
    if (started.has(this)) await finish.apply(this, occurrence)
  }
  return () => Object.assign(Schedules.prototype, { start, finish })
}

function noReleaseRepair(): () => void {
  const { repair, release } = LockKeeper.prototype
  const repairing = new AsyncLocalStorage<true>()
  LockKeeper.prototype.repair = function (key) {
    return repairing.run(true, () => repair.call(this, key))
  }
  LockKeeper.prototype.release = async function (...of) {
    if (!repairing.getStore()) await release.apply(this, of)
  }
  return () => Object.assign(LockKeeper.prototype, { repair, release })
}

function noAftermathRepair(): () => void {
  const { start } = Aftermath.prototype
  Aftermath.prototype.start = async () => {}
  return () => {
    Aftermath.prototype.start = start
  }
}

function noReclaim(): () => void {
  const { decide } = limitKind
  limitKind.decide = (command, limit, context) =>
    decide({ ...command, returns: command.returns.filter(({ reason }) => reason !== 'reclaimed') }, limit, context)
  return () => {
    limitKind.decide = decide
  }
}

function field(of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null ? Reflect.get(of, name) : undefined
}

export const MUTATIONS: readonly Mutation[] = [
  { name: 'a fact is applied and acknowledged before it is appended', wrapStore: acknowledgeFirst },
  { name: 'a claim is appended whatever the stream says', wrapStore: claimAnyhow, from: 12 },
  { name: 'the answer to a claim is lost and not asked for again', wrapStore: giveUpOnClaims },
  { name: 'decide does not look at the claim', install: () => decideTask(ignoreClaim), from: 8 },
  { name: 'a cancelled attempt is interrupted instead: it runs again', install: () => decideTask(retryCancelled) },
  { name: 'a task is retried without end', install: () => decideTask(retryForEver) },
  { name: 'the last to queue for a lock gets it first', install: () => decideLock(lastComeFirstServed), from: 52 },
  { name: 'a start leaves running what died with the process', makeSystem: swallow('interrupt') },
  { name: 'a start leaves open the turns that died with the process', makeSystem: swallow('interruptTurn') },
  { name: 'a crash between lock and task is not repaired', install: noLockRepair, from: 10 },
  { name: 'a crash between schedule and task is not repaired', install: noOccurrenceRepair, from: 52 },
  { name: 'a crash between a run and the release of its lock is not repaired', install: noReleaseRepair, from: 40 },
  { name: 'a crash between a run and the end of its occurrence is not repaired', install: noFinishRepair, from: 63 },
  { name: 'a crash between a run and its onFailure is not repaired', install: noAftermathRepair, from: 294 },
  { name: 'a crash between permit and claim is not repaired', install: noReclaim, from: 13 },
  { name: 'a lock is released before its task has ended', makeSystem: releaseFirst() },
  { name: 'the silence of a node is judged by an observer that lags behind the log', wrapStore: judgeByEar, from: 10 },
  { name: 'an observer that slept judges at once', wrapClock: hideLateness, from: 137 },
  { name: 'a command repeated on another node is carried out again', wrapStore: forgetOthersCommands, from: 20 },
  { name: 'a snapshot is of an earlier state than it says', wrapSnapshots: keepLate },
  { name: 'a repeated command is carried out again', makeSystem: forgetCommands() },
]
