/**
 * An actor in memory: how far its stream has brought it. Facts are applied here and nowhere else, whether they were just
 * appended or are read back.
 */
import type { AnyActor } from 'xstate'
import { type EventData, GENESIS, isKnown, type Position, type RecordedEvent, START } from '../events/index.ts'
import { HistoryCorrupt, WrittenByNewerCode } from './errors.ts'
import { type Evolution, recordedFact } from './evolve.ts'
import type { ActorKind, Applied, Fact, Recorded, State } from './kind.ts'

/** How far a stream has brought its actor. */
export interface Standing<Context> {
  state: State<Context>
  /** Of the last event applied; GENESIS, '' and START before the first. */
  hash: string
  eventId: string
  position: Position
  /** Its next snapshot is due from this revision on. */
  snapshotDue: number
}

export interface Resident<Context extends Applied> extends Standing<Context> {
  readonly kind: Pick<ActorKind<never, Context>, 'kind' | 'version' | 'machine'>
  readonly stream: string
  readonly evolution: Evolution<Context>
  /** Runs beside when somebody inspects. */
  mirror: AnyActor | undefined
  /** What is held is known to be what the stream said when it was last looked at. */
  loaded: boolean
}

/** Before the first event. */
export function beginning<Context>({ initial }: Evolution<Context>, snapshotDue: number): Standing<Context> {
  return { state: initial, hash: GENESIS, eventId: '', position: START, snapshotDue }
}

/** Puts the actor where its stream had brought it before. */
export function put<Context extends Applied>(resident: Resident<Context>, standing: Standing<Context>): void {
  Object.assign(resident, standing)
}

/** Applies what was appended just now. `at`: milliseconds since the epoch, the instant of their metadata. */
export function applyAppended<Context extends Applied>(
  resident: Resident<Context>,
  events: readonly EventData[],
  at: number,
): void {
  for (const event of events) advance(resident, event, recordedFact(event, resident.state.context.revision + 1, at))
}

/** @throws HistoryCorrupt, WrittenByNewerCode */
export function replay<Context extends Applied>(resident: Resident<Context>, event: RecordedEvent): void {
  const { type, metadata, revision } = event
  const next = resident.state.context.revision + 1
  if (revision !== BigInt(next)) throw new HistoryCorrupt(resident.stream, revision, `event ${next} is missing`)
  if (!isKnown(resident.kind.kind, event)) throw new WrittenByNewerCode(resident.stream, type, metadata.v)
  advance(resident, event, recordedFact(event, next))
  resident.position = event.position
}

/** @throws HistoryCorrupt if the machine does not accept the fact; the actor then comes back from its stream */
function advance<Context extends Applied>(
  resident: Resident<Context>,
  { id, metadata }: EventData,
  fact: Recorded<Fact>,
): void {
  const state = resident.evolution.next(resident.state, fact)
  if (!state) {
    resident.loaded = false
    const why = `${fact.type} is not accepted in state ${resident.state.value}`
    throw new HistoryCorrupt(resident.stream, BigInt(fact.revision), why)
  }
  resident.state = state
  resident.eventId = id
  if (metadata.hash !== undefined) resident.hash = metadata.hash
  resident.mirror?.send(fact)
}
