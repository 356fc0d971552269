/** The sessions read model: a row for each conversation and a row for each item of its transcript. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { ATTEMPT_END_EVENTS } from '../../events/index.ts'
import { int, text } from '../columns.ts'
import type { LogEvent } from '../log-events.ts'
import type { Projection, ReadModel, Touched } from '../read-model.ts'
import type { RowWriter } from '../record-table.ts'
import { retiredOf } from '../retired.ts'
import type { ItemView } from '../views.ts'
import { attemptEnded, type SessionHead, type SessionStep, sessionStep, taskRetired } from './session-fold.ts'
import { ITEMS, itemOf, SESSION_TABLES, SESSIONS, SESSIONS_VERSION, sessionTable } from './sessions-table.ts'

export const sessionsModel: ReadModel = {
  name: 'sessions',
  version: SESSIONS_VERSION,
  // An attempt that ends stops writing what it had begun to say.
  kinds: ['session', 'task', 'audit'],
  tables: SESSION_TABLES,
  open: (db) => new SessionsProjection(db),
}

interface Resident {
  readonly n: number
  head: SessionHead
}

interface Change {
  n: number | undefined
  head: SessionHead | undefined
  readonly items: Map<string, { item: ItemView; position: number }>
  /** Its stream is gone. */
  retired: boolean
}

const MOST_RESIDENTS = 2_000

/** The session that a retired stream was, or belonged to. */
function concerned(event: LogEvent['event']): string | undefined {
  const retired = retiredOf(event)
  return retired?.kind === 'session' ? retired.id : retired?.sessionId
}

class SessionsProjection implements Projection {
  readonly #residents = new Map<string, Resident>()
  /** By claim: the session in which the attempt is writing a reply. Undefined: to be read from the tables. */
  #writing: Map<string, string> | undefined
  readonly #rows: RowWriter<SessionHead>
  readonly #selectWriting: StatementSync
  readonly #select: StatementSync
  readonly #selectItem: StatementSync
  readonly #putItem: StatementSync
  readonly #deleteItems: StatementSync

  constructor(db: DatabaseSync) {
    this.#rows = sessionTable.open(db, undefined)
    this.#select = db.prepare(`SELECT * FROM ${SESSIONS} WHERE id = ?`)
    this.#selectWriting = db.prepare(`SELECT * FROM ${SESSIONS} WHERE streaming IS NOT NULL`)
    this.#selectItem = db.prepare(`SELECT item FROM ${ITEMS} WHERE session = ? AND key = ?`)
    this.#putItem = db.prepare(`INSERT INTO ${ITEMS} (session, idx, key, position, item) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (session, idx) DO UPDATE SET position = excluded.position, item = excluded.item`)
    this.#deleteItems = db.prepare(`DELETE FROM ${ITEMS} WHERE session = ?`)
  }

  apply(events: readonly LogEvent[], touched: Touched): void {
    const changes = new Map<string, Change>()
    this.#writing ??= this.#readWriting()
    for (const { event, kind, key, position } of events) {
      const id = kind === 'session' ? key : kind === 'task' ? this.#writtenBy(event) : concerned(event)
      if (id === undefined) continue
      let change = changes.get(id)
      if (change === undefined) {
        const resident = this.#resident(id)
        change = { n: resident?.n, head: resident?.head, items: new Map(), retired: false }
        changes.set(id, change)
      }
      const step = this.#step(change, id, { event, kind })
      if (step === undefined) continue
      change.head = step.head
      for (const { key, item } of step.items) change.items.set(key, { item, position })
    }
    for (const [id, change] of changes) {
      if (change.retired) this.#delete(id, change.n)
      else if (change.head === undefined) continue
      else this.#write(id, change.n, change.head, change.items)
      touched.sessions.add(id)
    }
  }

  forget(): void {
    this.#residents.clear()
    this.#writing = undefined
  }

  #step(change: Change, id: string, { event, kind }: Pick<LogEvent, 'event' | 'kind'>): SessionStep | undefined {
    const find = (item: string): ItemView | undefined => change.items.get(item)?.item ?? this.#item(change.n, item)
    if (kind === 'audit') return this.#retired(change, event, find)
    const { claim, turn } = event.data
    if (kind === 'session') {
      const byAttempt = event.type === 'ReplyStreamed' && turn === undefined
      if (byAttempt && typeof claim === 'string') this.#writing?.set(claim, id)
      return sessionStep(change.head, id, event, find)
    }
    if (typeof claim !== 'string' || change.head === undefined) return undefined
    this.#writing?.delete(claim)
    return attemptEnded(change.head, claim, event, find)
  }

  /** The session itself goes, or a task of it, which then writes nothing any more. */
  #retired(change: Change, event: LogEvent['event'], find: (key: string) => ItemView | undefined) {
    const retired = retiredOf(event)
    if (retired?.kind === 'session') {
      change.retired = true
      change.head = undefined
      change.items.clear()
      return undefined
    }
    if (retired === undefined || change.head === undefined) return undefined
    const step = taskRetired(change.head, retired.id, event, find)
    for (const { claim } of change.head.streaming) {
      const writes = step?.head.streaming.some((reply) => reply.claim === claim)
      if (step && claim !== undefined && !writes) this.#writing?.delete(claim)
    }
    return step
  }

  #delete(id: string, n: number | undefined): void {
    if (n !== undefined) {
      this.#deleteItems.run(n)
      this.#rows.delete(n)
    }
    this.#residents.delete(id)
    this.#writing = undefined
  }

  /** The session in which the attempt that the event ends was writing. */
  #writtenBy({ type, data }: LogEvent['event']): string | undefined {
    if (!ATTEMPT_END_EVENTS.has(type) || typeof data.claim !== 'string') return undefined
    return this.#writing?.get(data.claim)
  }

  #readWriting(): Map<string, string> {
    const writing = new Map<string, string>()
    for (const row of this.#selectWriting.all()) {
      for (const { claim, turn, left } of sessionTable.read(row).streaming) {
        if (claim !== undefined && turn === undefined && !left) writing.set(claim, text(row.id))
      }
    }
    return writing
  }

  #resident(id: string): Resident | undefined {
    const resident = this.#residents.get(id)
    if (resident !== undefined) return resident
    const row = this.#select.get(id)
    return row === undefined ? undefined : this.#keep(id, { n: int(row.n), head: sessionTable.read(row) })
  }

  #keep(id: string, resident: Resident): Resident {
    if (this.#residents.size >= MOST_RESIDENTS) this.#residents.clear()
    this.#residents.set(id, resident)
    return resident
  }

  #item(session: number | undefined, key: string): ItemView | undefined {
    if (session === undefined) return undefined
    const row = this.#selectItem.get(session, key)
    return row === undefined ? undefined : itemOf(row)
  }

  #write(id: string, known: number | undefined, head: SessionHead, items: Change['items']): void {
    const n = known ?? this.#rows.insert(undefined, head)
    if (known !== undefined) this.#rows.update(n, head)
    for (const [key, { item, position }] of items) this.#putItem.run(n, item.index, key, position, JSON.stringify(item))
    this.#keep(id, { n, head })
  }
}
