/**
 * Everybody who watches. After each batch the live queries that it may have changed run again, the first time at once
 * and then at most every 33 ms (a watched job: in every batch), and their watchers are told only what changed.
 *
 * A watcher's deltas join up: the `from` of each is the position of what it was told before. Queries run at the
 * position of read.db and are told with it, so nobody ever sees a state newer than the position that comes with it.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Position } from '../../events/index.ts'
import type { ReadClock } from '../clock.ts'
import type { Touched } from '../read-model.ts'
import type { Watch, WatchSink, WatchTopic, WatchTopics } from '../views.ts'
import { type LiveQuery, type LiveQueryFactory, liveQueries } from './live.ts'

const INTERVAL_MS = 33
/** A live query rests this many times as long as it took, so that a slow one does not keep the log waiting. */
const REST = 4

export interface WatchHub {
  watch<T extends WatchTopic>(topic: T, params: WatchTopics[T]['params'], sink: WatchSink<T>, from?: Position): Watch<T>
  /** To be called after each batch. */
  changed(touched: Touched): void
  /** Read models were replaced at the same position, so any of it may be different: everybody is told it anew. */
  renew(): void
  close(): void
}

/** What all watches of one host share. */
interface Surroundings {
  readonly db: DatabaseSync
  readonly clock: ReadClock
  readonly position: () => Position
}

export function openWatchHub(surroundings: Surroundings): WatchHub {
  const topics: { readonly [T in WatchTopic]: TopicHub<T> } = {
    board: new TopicHub(liveQueries.board, INTERVAL_MS, surroundings),
    job: new TopicHub(liveQueries.job, 0, surroundings),
    session: new TopicHub(liveQueries.session, INTERVAL_MS, surroundings),
    sessions: new TopicHub(liveQueries.sessions, INTERVAL_MS, surroundings),
    schedules: new TopicHub(liveQueries.schedules, INTERVAL_MS, surroundings),
  }
  return {
    watch: (topic, params, sink, from) => topics[topic].watch(params, sink, from),
    changed(touched) {
      for (const topic of Object.values(topics)) topic.changed(touched)
    },
    renew() {
      for (const topic of Object.values(topics)) topic.renew()
    },
    close() {
      for (const topic of Object.values(topics)) topic.close()
    },
  }
}

interface Watcher<T extends WatchTopic> {
  readonly sink: WatchSink<T>
  params: WatchTopics[T]['params']
  /** Of what it was told last; undefined when it was told nothing. */
  position: Position | undefined
  /** Whose changes it follows, once it was told where they begin. */
  group: Group<T> | undefined
  closed: boolean
}

class TopicHub<T extends WatchTopic> {
  readonly #create: LiveQueryFactory<T>
  readonly #interval: number
  readonly #surroundings: Surroundings
  readonly #groups = new Map<string, Group<T>>()
  /** Those who have seen, elsewhere, a position that is not reached here yet. */
  readonly #early = new Set<Watcher<T>>()

  constructor(create: LiveQueryFactory<T>, interval: number, surroundings: Surroundings) {
    this.#create = create
    this.#interval = interval
    this.#surroundings = surroundings
  }

  watch(params: WatchTopics[T]['params'], sink: WatchSink<T>, from: Position | undefined): Watch<T> {
    const watcher: Watcher<T> = { sink, params, position: from, group: undefined, closed: false }
    // Not before the caller has its Watch.
    queueMicrotask(() => this.#start(watcher))
    return {
      update: (changed) => this.#update(watcher, changed),
      close: () => this.#leave(watcher),
    }
  }

  changed(touched: Touched): void {
    for (const group of [...this.#groups.values()]) group.touch(touched)
    for (const watcher of [...this.#early]) {
      this.#early.delete(watcher)
      this.#start(watcher)
    }
  }

  renew(): void {
    const groups = [...this.#groups.values()]
    this.#groups.clear()
    for (const group of groups) group.stop()
    for (const watcher of groups.flatMap(({ watchers }) => [...watchers])) {
      watcher.group = undefined
      watcher.position = undefined
      this.#start(watcher)
    }
  }

  close(): void {
    for (const group of this.#groups.values()) group.stop()
    this.#groups.clear()
    this.#early.clear()
  }

  #start(watcher: Watcher<T>): void {
    if (watcher.closed) return
    const position = this.#surroundings.position()
    if (watcher.position !== undefined && watcher.position > position) {
      this.#early.add(watcher)
      return
    }
    this.#tell(watcher, () => {
      const group = this.#groupOf(watcher.params)
      group.watchers.add(watcher)
      watcher.group = group
      const from = watcher.position
      watcher.position = position
      const missed = from === undefined ? undefined : group.live.since(from)
      if (from === undefined || missed === undefined) watcher.sink.snapshot(position, group.live.snapshot())
      else watcher.sink.delta(from, position, missed)
    })
  }

  #update(watcher: Watcher<T>, params: WatchTopics[T]['params']): void {
    const before = { group: watcher.group, params: watcher.params, position: watcher.position }
    watcher.params = params
    // Not started yet: it will start with these.
    if (watcher.closed || before.group === undefined || before.position === undefined) return
    const seen = before.group.live.snapshot()
    this.#detach(watcher)
    const from = before.position
    this.#tell(watcher, () => {
      const position = this.#surroundings.position()
      const group = this.#groupOf(params)
      group.watchers.add(watcher)
      watcher.group = group
      watcher.position = position
      const changes = group.live.unlike(seen, before.params)
      if (changes === undefined) watcher.sink.snapshot(position, group.live.snapshot())
      else watcher.sink.delta(from, position, changes)
    })
  }

  /** The live query of these params, brought up to date. */
  #groupOf(params: WatchTopics[T]['params']): Group<T> {
    const key = JSON.stringify(params)
    const known = this.#groups.get(key)
    if (known !== undefined) {
      known.run()
      return known
    }
    const { db, clock, position } = this.#surroundings
    const live = this.#create(db, params, position())
    const run = (group: Group<T>) => this.#run(key, group)
    const group: Group<T> = new Group(live, clock, this.#interval, run)
    this.#groups.set(key, group)
    return group
  }

  #run(key: string, group: Group<T>): void {
    const position = this.#surroundings.position()
    try {
      const changes = group.live.refresh(position)
      if (changes.length === 0) return
      for (const watcher of [...group.watchers]) {
        const from = watcher.position ?? position
        watcher.position = position
        this.#tell(watcher, () => watcher.sink.delta(from, position, changes))
      }
    } catch (error) {
      this.#groups.delete(key)
      group.stop()
      for (const watcher of [...group.watchers]) this.#fail(watcher, error)
    }
  }

  /** What a sink throws, and what a query throws while its watcher starts, ends that watch alone. */
  #tell(watcher: Watcher<T>, telling: () => void): void {
    try {
      telling()
    } catch (error) {
      this.#fail(watcher, error)
    }
  }

  #fail(watcher: Watcher<T>, error: unknown): void {
    if (watcher.closed) return
    this.#leave(watcher)
    watcher.sink.failed(error instanceof Error ? error : new Error(String(error)))
  }

  #leave(watcher: Watcher<T>): void {
    watcher.closed = true
    this.#early.delete(watcher)
    this.#detach(watcher)
  }

  #detach(watcher: Watcher<T>): void {
    const { group } = watcher
    watcher.group = undefined
    group?.watchers.delete(watcher)
    if (group === undefined || group.watchers.size > 0) return
    group.stop()
    for (const [key, known] of this.#groups) if (known === group) this.#groups.delete(key)
  }
}

/** One live query, those who watch it, and when it runs next. */
class Group<T extends WatchTopic> {
  readonly live: LiveQuery<T>
  readonly watchers = new Set<Watcher<T>>()
  readonly #clock: ReadClock
  readonly #interval: number
  readonly #run: (group: Group<T>) => void
  #restUntil = Number.NEGATIVE_INFINITY
  #cancel: (() => void) | undefined

  constructor(live: LiveQuery<T>, clock: ReadClock, interval: number, run: (group: Group<T>) => void) {
    this.live = live
    this.#clock = clock
    this.#interval = interval
    this.#run = run
  }

  touch(touched: Touched): void {
    this.live.touch(touched)
    if (!this.live.dirty || this.#cancel !== undefined) return
    const rest = this.#restUntil - this.#clock.monotonic()
    if (rest <= 0) this.run()
    else this.#cancel = this.#clock.after(rest, () => this.run())
  }

  /** Now, if there may be anything new. */
  run(): void {
    this.stop()
    if (!this.live.dirty) return
    const began = this.#clock.monotonic()
    this.#run(this)
    const ended = this.#clock.monotonic()
    if (this.#interval > 0) this.#restUntil = ended + Math.max(this.#interval, (ended - began) * REST)
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }
}
