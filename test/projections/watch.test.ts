/** Live queries: snapshot and deltas amount to a fresh query, join up, and never run ahead of their position. */
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Position } from '../../src/events/index.ts'
import {
  type BoardDelta,
  type BoardQuery,
  type BoardView,
  type ItemView,
  type JobView,
  openReadCore,
  type TranscriptView,
  type WatchSink,
  WatchTargetMissing,
  type WatchTopic,
  type WatchTopics,
} from '../../src/projections/index.ts'
import { cut, historyOf, steps } from './random-history.ts'
import { APP, completed, History, ManualClock, started, submitted } from './support.ts'

const COLUMNS = [
  { label: 'Queued', statuses: ['pending', 'scheduled', 'retry'] },
  { label: 'Running', statuses: ['running'] },
  { label: 'Done', statuses: ['completed', 'failed', 'timeout', 'cancelled'] },
] as const satisfies BoardQuery['columns']

function boardQuery(limit: number, after = 0): BoardQuery {
  return { filter: {}, columns: COLUMNS, windows: COLUMNS.map(() => ({ after, limit })) }
}

function open() {
  const clock = new ManualClock()
  return { clock, core: openReadCore({ db: new DatabaseSync(':memory:'), app: APP, clock }) }
}

/** A watcher as a browser is one: it applies what it is told, and insists that it joins up. */
class Browser<T extends WatchTopic> implements WatchSink<T> {
  position: Position | undefined
  data: WatchTopics[T]['data'] | undefined
  deltas = 0
  snapshots = 0
  error: Error | undefined
  readonly #apply: (data: WatchTopics[T]['data'], change: WatchTopics[T]['change']) => WatchTopics[T]['data']

  constructor(apply: (data: WatchTopics[T]['data'], change: WatchTopics[T]['change']) => WatchTopics[T]['data']) {
    this.#apply = apply
  }

  snapshot(position: Position, data: WatchTopics[T]['data']): void {
    this.snapshots++
    this.position = position
    this.data = data
  }

  delta(from: Position, to: Position, changes: readonly WatchTopics[T]['change'][]): void {
    this.deltas++
    expect(from).toBe(this.position)
    expect(to >= from).toBe(true)
    this.position = to
    for (const change of changes) if (this.data !== undefined) this.data = this.#apply(this.data, change)
  }

  failed(error: Error): void {
    this.error = error
  }
}

function applyToBoard(board: BoardView, { column, count, after, ids, jobs }: BoardDelta): BoardView {
  const columns = board.columns.map((was, i) => {
    if (i !== column) return was
    const known = new Map([...was.jobs, ...jobs].map((job) => [job.id, job]))
    const shown = (ids ?? was.jobs.map(({ id }) => id)).map((id) => known.get(id)).filter((job) => job !== undefined)
    return { ...was, count, after, jobs: shown }
  })
  return { ...board, columns, total: columns.reduce((sum, { count }) => sum + count, 0) }
}

function applyToTranscript(view: TranscriptView, change: WatchTopics['session']['change']): TranscriptView {
  if (change.kind === 'session') return { ...view, session: change.session }
  const items = new Map<number, ItemView>([...view.items, change.item].map((item) => [item.index, item]))
  return { ...view, items: [...items.values()].toSorted((a, b) => a.index - b.index) }
}

const latest = <T>(_: T, change: T): T => change
const settled = () => new Promise<void>((resolve) => queueMicrotask(resolve))

describe('watch', () => {
  it('amounts to a fresh query, however the batches and the time between them fall', async () => {
    const pauses = fc.array(fc.nat(60), { minLength: 1, maxLength: 6 })
    const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(steps, sizes, pauses, fc.nat(100), async (list, batches, waits, join) => {
        const { events } = historyOf(list)
        const { core, clock } = open()
        core.apply(events.slice(0, 2))
        const early = new Browser<'board'>(applyToBoard)
        const late = new Browser<'board'>(applyToBoard)
        const chat = new Browser<'session'>(applyToTranscript)
        core.hub.watch('board', boardQuery(3), early)
        core.hub.watch('session', { id: 's1' }, chat)
        await settled()
        let i = 0
        for (const batch of cut(events.slice(2), batches)) {
          core.apply(batch)
          clock.advance(waits[i % waits.length] ?? 0)
          if (i++ === join % 10) {
            core.hub.watch('board', boardQuery(3), late)
            await settled()
          }
        }
        clock.advance(1000)
        const { position: _, ...fresh } = core.ask('board', boardQuery(3))
        for (const browser of [early, late]) {
          if (browser.data === undefined) continue
          const { position: _, ...seen } = browser.data
          expect(seen).toEqual(fresh)
        }
        expect(chat.data).toEqual(core.ask('transcript', 's1'))
      }),
      { numRuns: 100 },
    )
  })

  it('runs the first change at once, and then at most every 33 ms', async () => {
    const { core, clock } = open()
    const history = new History()
    const board = new Browser<'board'>(applyToBoard)
    core.hub.watch('board', boardQuery(10), board)
    await settled()
    core.apply(history.task('a', submitted()))
    expect(board.deltas).toBe(1)
    core.apply(history.task('b', submitted()))
    core.apply(history.task('c', submitted()))
    expect(board.deltas).toBe(1)
    clock.advance(33)
    expect(board.deltas).toBe(2)
    expect(board.data?.columns[0]?.count).toBe(3)
  })

  it('tells of a job in every batch that changes it, and of nothing else', async () => {
    const { core } = open()
    const history = new History()
    core.apply(history.task('a', submitted()))
    const job = new Browser<'job'>(latest)
    core.hub.watch('job', { id: 'a' }, job)
    await settled()
    core.apply(history.task('a', started()))
    core.apply(history.task('b', submitted()))
    core.apply(history.task('a', completed()))
    expect(job).toMatchObject({ snapshots: 1, deltas: 2, data: { status: 'completed' } })
  })

  it('says that there is nothing to watch, also when it is deleted later', async () => {
    const { core } = open()
    const history = new History()
    const nobody = new Browser<'job'>(latest)
    core.hub.watch('job', { id: 'nobody' }, nobody)
    await settled()
    expect(nobody.error).toBeInstanceOf(WatchTargetMissing)
    core.apply(history.task('a', submitted()))
    const job = new Browser<'job'>(latest)
    core.hub.watch('job', { id: 'a' }, job)
    await settled()
    core.apply(history.task('a', { type: 'TaskDeleted', data: {} }))
    expect(job.error).toMatchObject({ topic: 'job', id: 'a' })
  })

  it('moves a window with a delta of the cards that come into view', async () => {
    const { core } = open()
    const history = new History()
    for (const id of ['a', 'b', 'c', 'd']) core.apply(history.task(id, submitted()))
    const board = new Browser<'board'>(applyToBoard)
    const watch = core.hub.watch('board', boardQuery(2), board)
    await settled()
    watch.update(boardQuery(2, 1))
    expect(board).toMatchObject({ snapshots: 1, deltas: 1 })
    expect(board.data?.columns[0]).toMatchObject({ after: 1, jobs: [{ id: 'b' }, { id: 'c' }] })
    watch.update({ ...boardQuery(2), filter: { name: 'unheard_of' } })
    expect(board.snapshots).toBe(2)
    watch.close()
    core.apply(history.task('e', submitted()))
    expect(board.deltas).toBe(1)
  })

  it('resumes a conversation with only what came since, and waits until it has reached what was seen', async () => {
    const { core } = open()
    const history = new History()
    core.apply(history.session('s1', { type: 'SessionStarted', data: { ownerId: 'local' } }))
    core.apply(history.session('s1', { type: 'Notified', data: { noticeId: 'one', text: 'one' } }))
    const seen = core.engine.position
    const view = core.ask('transcript', 's1')
    core.apply(history.session('s1', { type: 'Notified', data: { noticeId: 'two', text: 'two' } }))
    const chat = new Browser<'session'>(applyToTranscript)
    chat.position = seen
    chat.data = view
    core.hub.watch('session', { id: 's1' }, chat, seen)
    await settled()
    expect(chat).toMatchObject({ snapshots: 0, deltas: 1 })
    expect(chat.data).toEqual(core.ask('transcript', 's1'))

    const ahead = new Browser<'session'>(applyToTranscript)
    const next = (core.engine.position + 1n) as Position
    ahead.position = next
    core.hub.watch('session', { id: 's1' }, ahead, next)
    await settled()
    expect(ahead.deltas + ahead.snapshots).toBe(0)
    core.apply(history.session('s1', { type: 'TitleSet', data: { title: 'x' } }))
    expect(ahead.deltas).toBe(1)
  })

  it('ends a watch whose sink throws, and no other', async () => {
    const { core } = open()
    const history = new History()
    core.apply(history.task('a', submitted()))
    const failures: Error[] = []
    const broken: WatchSink<'job'> = {
      snapshot: () => {},
      delta: () => {
        throw new Error('gone')
      },
      failed: (error) => failures.push(error),
    }
    const job = new Browser<'job'>(latest)
    core.hub.watch('job', { id: 'a' }, broken)
    core.hub.watch('job', { id: 'a' }, job)
    await settled()
    core.apply(history.task('a', started()))
    core.apply(history.task('a', completed()))
    expect(failures.map(({ message }) => message)).toEqual(['gone'])
    expect((job.data as JobView).status).toBe('completed')
  })
})
