/**
 * A live query per topic: knows what may have changed it, and what to tell somebody who has its last state. Equal
 * watches share one. Synchronous over read.db; when it runs is the hub's affair.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Position } from '../../events/index.ts'
import { WatchTargetMissing } from '../errors.ts'
import { findBoard } from '../queries/board.ts'
import { findJob } from '../queries/jobs.ts'
import { findSchedule, findSchedules } from '../queries/schedules.ts'
import { findSession, findSessions, findTranscript, itemsSince } from '../queries/sessions.ts'
import type { Touched } from '../read-model.ts'
import type { BoardQuery, BoardView, JobView, SessionView, WatchTopic, WatchTopics } from '../views.ts'
import { diffBoard, sameJob } from './diff.ts'

export interface LiveQuery<T extends WatchTopic> {
  /** Remembers whether a batch may have changed it. */
  touch(touched: Touched): void
  readonly dirty: boolean
  /**
   * Brings it to `position`, which is where read.db stands.
   * @returns what changed since the last time
   * @throws WatchTargetMissing when what it shows is gone
   */
  refresh(position: Position): WatchTopics[T]['change'][]
  /** The whole of it, as of the last refresh. */
  snapshot(): WatchTopics[T]['data']
  /** What changed after `from`, for somebody who has seen that; undefined when a snapshot is cheaper. */
  since(from: Position): WatchTopics[T]['change'][] | undefined
  /** What differs from `seen`, which was made for `params`; undefined when a snapshot is needed. */
  unlike(seen: WatchTopics[T]['data'], params: WatchTopics[T]['params']): WatchTopics[T]['change'][] | undefined
}

export type LiveQueryFactory<T extends WatchTopic> = (
  db: DatabaseSync,
  params: WatchTopics[T]['params'],
  position: Position,
) => LiveQuery<T>

/** How many sessions a list shows at first; any other joins it when it changes. */
const LISTED_SESSIONS = 500

export const liveQueries: { readonly [T in WatchTopic]: LiveQueryFactory<T> } = {
  board: (db, query, position) => new LiveBoard(db, query, position),
  job: (db, { id }) => new LiveJob(db, id),
  session: (db, { id }, position) => new LiveSession(db, id, position),
  sessions: (db, { ownerId }, position) => new LiveSessions(db, ownerId, position),
  schedules: (db) => new LiveSchedules(db),
}

class LiveBoard implements LiveQuery<'board'> {
  dirty = false
  readonly #db: DatabaseSync
  readonly #query: BoardQuery
  #view: BoardView

  constructor(db: DatabaseSync, query: BoardQuery, position: Position) {
    this.#db = db
    this.#query = query
    this.#view = findBoard(db, query, position)
  }

  touch(touched: Touched): void {
    const { name, sessionId } = this.#query.filter
    const jobs =
      touched.jobs.size > 0 &&
      (name === undefined || touched.jobNames.has(name)) &&
      (sessionId === undefined || touched.jobSessions.has(sessionId))
    // A lock's queue says where its waiters stand.
    this.dirty ||= jobs || touched.locks
  }

  refresh(position: Position): WatchTopics['board']['change'][] {
    const view = findBoard(this.#db, this.#query, position)
    const changes = diffBoard(this.#view, view)
    this.#view = view
    this.dirty = false
    return changes
  }

  snapshot(): BoardView {
    return this.#view
  }

  since(): undefined {
    return undefined
  }

  unlike(seen: BoardView, { filter, columns }: BoardQuery): WatchTopics['board']['change'][] | undefined {
    const same = JSON.stringify([filter, columns]) === JSON.stringify([this.#query.filter, this.#query.columns])
    return same ? diffBoard(seen, this.#view) : undefined
  }
}

class LiveJob implements LiveQuery<'job'> {
  dirty = false
  readonly #db: DatabaseSync
  readonly #id: string
  #view: JobView

  constructor(db: DatabaseSync, id: string) {
    this.#db = db
    this.#id = id
    this.#view = this.#read()
  }

  touch(touched: Touched): void {
    this.dirty ||= touched.jobs.has(this.#id) || (touched.locks && this.#view.lockKey !== undefined)
  }

  refresh(): JobView[] {
    const before = this.#view
    this.#view = this.#read()
    this.dirty = false
    return sameJob(before, this.#view) ? [] : [this.#view]
  }

  snapshot(): JobView {
    return this.#view
  }

  since(): JobView[] {
    return [this.#view]
  }

  #read(): JobView {
    return found(findJob(this.#db, this.#id), 'job', this.#id)
  }

  unlike(): undefined {
    return undefined
  }
}

class LiveSession implements LiveQuery<'session'> {
  dirty = false
  readonly #db: DatabaseSync
  readonly #id: string
  #seen: Position
  #session: SessionView

  constructor(db: DatabaseSync, id: string, position: Position) {
    this.#db = db
    this.#id = id
    this.#seen = position
    this.#session = found(findSession(db, id), 'session', id)
  }

  touch(touched: Touched): void {
    this.dirty ||= touched.sessions.has(this.#id) || touched.jobSessions.has(this.#id)
  }

  refresh(position: Position): WatchTopics['session']['change'][] {
    const changes: WatchTopics['session']['change'][] = this.#items(this.#seen)
    const session = found(findSession(this.#db, this.#id), 'session', this.#id)
    if (session.position !== this.#session.position) changes.push({ kind: 'session', session })
    this.#session = session
    this.#seen = position
    this.dirty = false
    return changes
  }

  snapshot(): WatchTopics['session']['data'] {
    return found(findTranscript(this.#db, this.#id), 'session', this.#id)
  }

  since(from: Position): WatchTopics['session']['change'][] {
    const items: WatchTopics['session']['change'][] = this.#items(from)
    return this.#session.position > from ? [...items, { kind: 'session', session: this.#session }] : items
  }

  #items(since: Position): WatchTopics['session']['change'][] {
    return itemsSince(this.#db, this.#id, since).map((item) => ({ kind: 'item', item }))
  }

  unlike(): undefined {
    return undefined
  }
}

class LiveSessions implements LiveQuery<'sessions'> {
  readonly #db: DatabaseSync
  readonly #ownerId: string | undefined
  readonly #changed = new Set<string>()
  #position: Position

  constructor(db: DatabaseSync, ownerId: string | undefined, position: Position) {
    this.#db = db
    this.#ownerId = ownerId
    this.#position = position
  }

  get dirty(): boolean {
    return this.#changed.size > 0
  }

  touch(touched: Touched): void {
    for (const id of touched.sessions) this.#changed.add(id)
    for (const id of touched.jobSessions) this.#changed.add(id)
  }

  refresh(position: Position): WatchTopics['sessions']['change'][] {
    const before = this.#position
    const changes: WatchTopics['sessions']['change'][] = []
    for (const id of this.#changed) {
      const session = findSession(this.#db, id)
      if (session === undefined || session.position <= before) continue
      if (this.#ownerId === undefined || session.ownerId === this.#ownerId) changes.push({ session })
    }
    this.#changed.clear()
    this.#position = position
    return changes
  }

  snapshot(): readonly SessionView[] {
    const query = { limit: LISTED_SESSIONS, ...(this.#ownerId === undefined ? {} : { ownerId: this.#ownerId }) }
    return findSessions(this.#db, query, this.#position).items
  }

  since(): undefined {
    return undefined
  }

  unlike(): undefined {
    return undefined
  }
}

class LiveSchedules implements LiveQuery<'schedules'> {
  readonly #db: DatabaseSync
  readonly #changed = new Set<string>()

  constructor(db: DatabaseSync) {
    this.#db = db
  }

  get dirty(): boolean {
    return this.#changed.size > 0
  }

  touch(touched: Touched): void {
    for (const name of touched.schedules) this.#changed.add(name)
  }

  refresh(): WatchTopics['schedules']['change'][] {
    const names = [...this.#changed]
    this.#changed.clear()
    return names.map((name) => findSchedule(this.#db, name)).filter((schedule) => schedule !== undefined)
  }

  snapshot(): WatchTopics['schedules']['data'] {
    return findSchedules(this.#db)
  }

  since(): undefined {
    return undefined
  }

  unlike(): undefined {
    return undefined
  }
}

function found<T>(value: T | undefined, topic: string, id: string): T {
  if (value === undefined) throw new WatchTargetMissing({ topic, id })
  return value
}
