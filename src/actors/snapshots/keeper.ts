/**
 * When a snapshot is taken, and what is in it: the state as V8 serialises it, which keeps what contexts hold as it is
 * (members that are undefined, too). Its version is that of the package and of the kind's machine.
 *
 * A snapshot is due when the stream has grown by so many events since the last one, and is taken after the answer, one in
 * a turn of the event loop. States are never changed in place, so one that waits stays what the log says.
 */
import { deserialize, serialize } from 'node:v8'
import { ownVersion } from '../../events/index.ts'
import type { Applied, State } from '../kind.ts'
import type { Report } from '../report.ts'
import type { Resident } from '../resident.ts'
import type { SnapshotStore } from './port.ts'

export interface SnapshotOptions {
  readonly store: SnapshotStore
  /** A stream gets one after so many events. Default 500: to read as many takes some milliseconds. */
  readonly every?: number
  /** Told when a state cannot be kept. */
  readonly report: Report
}

/** A snapshot, unpacked. */
export interface Kept<Context> {
  readonly revision: number
  readonly id: string
  readonly hash: string
  readonly state: State<Context>
  /** From which revision on the next one is due. */
  readonly nextDue: number
}

interface Due {
  readonly resident: Resident<Applied>
  readonly version: string
  readonly state: State<Applied>
  readonly id: string
  readonly hash: string
}

const EVERY = 500
/** A state of so many bytes is worth `every` events; a larger one is written more seldom, in proportion. */
const BYTES_PER_INTERVAL = 64 * 1024

export class SnapshotKeeper {
  readonly #store: SnapshotStore
  readonly #every: number
  readonly #report: Report
  /** Between releases, the machines' own versions tell (kind.ts). */
  readonly #code = ownVersion()
  readonly #due = new Map<string, Due>()
  #scheduled = false

  constructor({ store, every = EVERY, report }: SnapshotOptions) {
    this.#store = store
    this.#every = every
    this.#report = report
  }

  /** From which revision on a stream without a snapshot is due for one. */
  get firstDue(): number {
    return this.#every - 1
  }

  /** The stream's snapshot, if the same code took it. Nobody has held it against the log yet. */
  find<Context extends Applied>({ kind, stream }: Resident<Context>): Kept<Context> | undefined {
    const snapshot = this.#store.load(stream, this.#versionOf(kind))
    if (!snapshot) return undefined
    const { revision, id, hash } = snapshot
    const nextDue = this.#nextDue(revision, snapshot.state.byteLength)
    try {
      return { revision, id, hash, nextDue, state: deserialize(snapshot.state) as State<Context> }
    } catch {
      // Of another version of V8.
      this.drop(stream)
      return undefined
    }
  }

  drop(stream: string): void {
    // What still waits is of the same past.
    this.#due.delete(stream)
    this.#store.drop(stream)
  }

  /** Keeps the resident's state, which is in the log, soon. */
  note<Context extends Applied>(resident: Resident<Context>): void {
    const { kind, stream, state, eventId: id, hash } = resident
    resident.snapshotDue = state.context.revision + this.#every
    const waits = resident as unknown as Resident<Applied>
    this.#due.set(stream, { resident: waits, version: this.#versionOf(kind), state, id, hash })
    if (!this.#scheduled) this.#schedule()
  }

  #schedule(): void {
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      const [next] = this.#due
      if (!next) return
      this.#due.delete(next[0])
      this.#save(...next)
      if (this.#due.size > 0) this.#schedule()
    })
  }

  #save(stream: string, { resident, version, state, id, hash }: Due): void {
    const { revision } = state.context
    try {
      const packed = serialize(state)
      this.#store.save(stream, version, { revision, id, hash, state: packed })
      resident.snapshotDue = this.#nextDue(revision, packed.byteLength)
    } catch (error) {
      this.#report(error, `keeping a snapshot of ${stream}`)
    }
  }

  #nextDue(revision: number, bytes: number): number {
    return revision + this.#every * Math.max(1, Math.ceil(bytes / BYTES_PER_INTERVAL))
  }

  #versionOf({ kind, version }: Resident<Applied>['kind']): string {
    return `${this.#code}/${kind}/${version}`
  }
}
