/**
 * One subscription of a live socket: follows a topic of the read models and hands it to a client at the client's pace.
 *
 *   waiting ──ready──▶ open ──client slow──▶ holding ──client drained──▶ open
 *                                              └──too much held──▶ stale ──client drained──▶ open (fresh snapshot)
 *
 * While it holds, deltas are joined into one; progress and streamed text replace what was not sent of them. Past the
 * bound it lets go of all, and the client gets a snapshot of what is so by then.
 */
import type { RunningApp } from '../app/index.ts'
import type { Position } from '../events/index.ts'
import type { Watch, WatchTopics } from '../projections/index.ts'
import { HttpRefusal } from './problems.ts'
import { type TopicRules, topics } from './topics.ts'
import type { User } from './users.ts'
import type { ServerFrame, Topic, Topics } from './wire.ts'

/** Changes held for a slow client before it gets a snapshot instead. */
const MOST_HELD = 500

/** Where a feed's frames go. */
export interface Outlet {
  readonly app: RunningApp
  readonly user: User
  /** The client does not keep up: hold what can be held. */
  readonly congested: boolean
  send(frame: ServerFrame): void
  /** The subscription ends by itself, because of this. */
  fail(id: string, error: unknown): void
}

export interface Feed {
  /** Moves a board's window. @throws HttpRefusal when this is no board, or it has no such column */
  window(column: number, after: number, limit: number): boolean
  /** The client has caught up: sends what was held. */
  drain(): void
  close(): void
}

/** @throws ZodError when the params do not fit the topic */
export function openFeed<T extends Topic>(
  outlet: Outlet,
  id: string,
  topic: T,
  rawParams: unknown,
  from: Position | undefined,
): Feed {
  const rules: TopicRules<T> = topics[topic]
  return new TopicFeed(outlet, id, topic, rules, rules.params.parse(rawParams), from)
}

interface Held<T extends Topic> {
  readonly from: Position
  to: Position
  readonly changes: WatchTopics[T]['change'][]
}

class TopicFeed<T extends Topic> implements Feed {
  readonly #outlet: Outlet
  readonly #id: string
  readonly #topic: T
  readonly #rules: TopicRules<T>
  readonly #params: Topics[T]['params']
  #query: WatchTopics[T]['params']
  #watch: Watch<T> | undefined
  #held: Held<T> | undefined
  #stale = false
  #closed = false

  constructor(
    outlet: Outlet,
    id: string,
    topic: T,
    rules: TopicRules<T>,
    params: Topics[T]['params'],
    from: Position | undefined,
  ) {
    this.#outlet = outlet
    this.#id = id
    this.#topic = topic
    this.#rules = rules
    this.#params = params
    this.#query = rules.query(params, outlet.user)
    this.#start(from).catch((error: unknown) => this.#fail(error))
  }

  async #start(from: Position | undefined): Promise<void> {
    const { app, user } = this.#outlet
    if (from !== undefined && from > app.reads.position) await app.reads.waitFor(from)
    await this.#rules.ready?.(app, this.#params, user)
    if (!this.#closed) this.#follow(from)
  }

  #follow(from: Position | undefined): void {
    const watch = this.#outlet.app.reads.watch<T>(
      this.#topic,
      this.#query,
      {
        snapshot: (position, data) => this.#snapshot(position, data),
        delta: (start, to, changes) => this.#delta(start, to, changes),
        failed: (error) => this.#fail(error),
      },
      from,
    )
    // The sink may have been told something that ended the feed before the watch was handed out.
    if (this.#closed || this.#stale) watch.close()
    else this.#watch = watch
  }

  #snapshot(position: Position, data: WatchTopics[T]['data']): void {
    if (this.#closed || this.#stale) return
    this.#held = undefined
    if (this.#outlet.congested) return this.#goStale()
    this.#tell({
      type: 'snapshot',
      id: this.#id,
      position: String(position),
      data: this.#rules.data(data, this.#outlet.app),
    })
  }

  #delta(from: Position, to: Position, changes: readonly WatchTopics[T]['change'][]): void {
    if (this.#closed || this.#stale) return
    if (!this.#held && !this.#outlet.congested) return this.#send(from, to, changes)
    this.#held ??= { from, to, changes: [] }
    this.#held.to = to
    for (const change of changes) {
      const index = this.#rules.replaces(this.#held.changes, change)
      if (index >= 0) this.#held.changes[index] = change
      else this.#held.changes.push(change)
    }
    if (this.#held.changes.length > MOST_HELD) this.#goStale()
  }

  #send(from: Position, to: Position, changes: readonly WatchTopics[T]['change'][]): void {
    const { app } = this.#outlet
    this.#tell({
      type: 'delta',
      id: this.#id,
      from: String(from),
      to: String(to),
      changes: changes.map((change) => this.#rules.change(change, app)),
    })
  }

  /** A text has at most half a gigabyte, which the cards in view can come to. */
  #tell(frame: ServerFrame): void {
    try {
      this.#outlet.send(frame)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      const detail = 'What is asked for is more than one frame can hold. Ask for fewer cards, or fewer columns.'
      this.#fail(new HttpRefusal('payload-too-large', detail))
    }
  }

  #goStale(): void {
    this.#stale = true
    this.#held = undefined
    this.#watch?.close()
    this.#watch = undefined
  }

  drain(): void {
    if (this.#closed) return
    if (this.#stale) {
      this.#stale = false
      this.#follow(undefined)
    } else if (this.#held) {
      const { from, to, changes } = this.#held
      this.#held = undefined
      this.#send(from, to, changes)
    }
  }

  window(column: number, after: number, limit: number): boolean {
    const query = moveWindow(this.#query, column, after, limit)
    if (!query) return false
    this.#query = query
    this.#watch?.update(query)
    return true
  }

  #fail(error: unknown): void {
    if (this.#closed) return
    this.close()
    this.#outlet.fail(this.#id, error)
  }

  close(): void {
    this.#closed = true
    this.#held = undefined
    this.#watch?.close()
    this.#watch = undefined
  }
}

/** The query of a board with one window moved; undefined when it is no board, or has no such column. */
function moveWindow<Query extends object>(
  query: Query,
  column: number,
  after: number,
  limit: number,
): Query | undefined {
  if (!('windows' in query) || !Array.isArray(query.windows) || column >= query.windows.length) return undefined
  return { ...query, windows: query.windows.with(column, { after, limit }) }
}
