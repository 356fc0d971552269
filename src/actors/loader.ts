/**
 * Brings an actor in memory to where its stream is: from the last event that is known, else from the stream's snapshot, else
 * from the first event.
 */
import { type AnyActor, type AnyStateMachine, createActor, type InspectionEvent } from 'xstate'
import { type RecordedEvent, StoreError } from '../events/index.ts'
import type { Evolution } from './evolve.ts'
import type { Applied, State } from './kind.ts'
import type { PatientStore } from './patient-store.ts'
import { beginning, put, type Resident, replay, type Standing } from './resident.ts'
import type { SnapshotKeeper } from './snapshots/index.ts'

/** Events of a stream that are in memory at once. */
const PAGE = 2000

export class Loader {
  readonly #store: PatientStore
  readonly #snapshots: SnapshotKeeper | undefined
  readonly #inspect: ((event: InspectionEvent) => void) | undefined

  /** @param inspect sees every resident machine */
  constructor(
    store: PatientStore,
    snapshots: SnapshotKeeper | undefined,
    inspect: ((event: InspectionEvent) => void) | undefined,
  ) {
    this.#store = store
    this.#snapshots = snapshots
    this.#inspect = inspect
  }

  /** Before the first event. */
  beginning<Context>(evolution: Evolution<Context>): Standing<Context> {
    return beginning(evolution, this.#snapshots?.firstDue ?? Number.POSITIVE_INFINITY)
  }

  /** A real XState actor, for whoever inspects. */
  mirror(machine: AnyStateMachine, state: State<Applied>): AnyActor | undefined {
    if (!this.#inspect) return undefined
    return createActor(machine, { inspect: this.#inspect, snapshot: machine.resolveState(state) }).start()
  }

  /** Applies what the log has beyond what the actor knows. @returns whether there was anything */
  async catchUp<Context extends Applied>(resident: Resident<Context>, mustLand: boolean): Promise<boolean> {
    if (!resident.loaded) {
      if (await this.#resume(resident, mustLand)) return true
      this.#renew(resident, this.beginning(resident.evolution))
    }
    const before = resident.state.context.revision
    if (!(await this.#follow(resident, mustLand))) {
      resident.loaded = false
      await this.catchUp(resident, mustLand)
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

  #read<Context extends Applied>(
    { stream }: Resident<Context>,
    from: bigint,
    mustLand: boolean,
  ): Promise<readonly RecordedEvent[]> {
    return this.#store.readStream(stream, { from, limit: PAGE }, mustLand)
  }

  #renew<Context extends Applied>(resident: Resident<Context>, standing: Standing<Context>): void {
    resident.mirror?.stop()
    resident.mirror = this.mirror(resident.kind.machine, standing.state)
    put(resident, standing)
  }
}
