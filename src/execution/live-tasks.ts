/** The live tasks that this node has heard of: a record of each by its id, and how many of each name do not run. */
import { lockStream } from './lock-holders.ts'
import { Counts, SharedTexts } from './names.ts'
import { type LiveTask, type RecordState, TaskRecord } from './task-record.ts'

export class LiveTasks {
  readonly #app: string
  readonly #byId = new Map<string, TaskRecord>()
  readonly #queued = new Counts()
  readonly #texts = new SharedTexts()

  constructor(app: string) {
    this.#app = app
  }

  get size(): number {
    return this.#byId.size
  }

  /** Of a name, those that do not run. */
  queued(name: string): number {
    return this.#queued.of(name)
  }

  get(id: string): TaskRecord | undefined {
    return this.#byId.get(id)
  }

  *named(name: string): Iterable<TaskRecord> {
    for (const record of this.#byId.values()) if (record.name === name) yield record
  }

  add(task: LiveTask): TaskRecord {
    const { name, ownerId, lockKey } = task
    const shared = { ...task, name: this.#texts.of(name), ownerId: this.#texts.of(ownerId) }
    const record = new TaskRecord(shared, lockKey === undefined ? undefined : lockStream(this.#app, lockKey))
    this.#byId.set(record.id, record)
    this.#queued.add(record.name, 1)
    return record
  }

  become(record: TaskRecord, state: RecordState): void {
    const waited = isQueued(record.state)
    record.state = state
    const waits = isQueued(state)
    if (waited !== waits) this.#queued.add(record.name, waits ? 1 : -1)
  }

  remove(record: TaskRecord): void {
    this.#byId.delete(record.id)
    this.become(record, 'gone')
  }
}

function isQueued(state: RecordState): boolean {
  return state !== 'running' && state !== 'gone'
}
