/** What retention takes out of the log: the views are the same whether the log still gives the events or not. */
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseStream, type RecordedEvent, TERMINAL_STATUSES } from '../../src/events/index.ts'
import {
  type BoardQuery,
  foldJob,
  type JobRecord,
  openReadCore,
  type ReadCore,
  readWork,
} from '../../src/projections/index.ts'
import { cut, historyOf } from './random-history.ts'
import { APP, completed, failure, History, started, submission, submitted } from './support.ts'

const COLUMNS = [
  { label: 'Open', statuses: ['scheduled', 'pending', 'retry', 'running'] },
  { label: 'Done', statuses: ['completed'] },
  { label: 'Failed', statuses: ['failed', 'timeout', 'cancelled'] },
] as const satisfies BoardQuery['columns']

interface Opened {
  readonly core: ReadCore
  readonly db: DatabaseSync
}

function fold(events: readonly RecordedEvent[], batches: readonly number[] = [500]): Opened {
  const db = new DatabaseSync(':memory:')
  const core = openReadCore({ db, app: APP })
  for (const batch of cut(events, batches)) core.apply(batch)
  return { core, db }
}

/** All that can be asked. */
function viewsOf({ core, db }: Opened) {
  const { waiting, running, owing, owed, openTurns, occurrences } = readWork(db)
  const sessions = core.ask('sessions', {})
  return {
    jobs: core.ask('jobs', { limit: 500 }),
    board: core.ask('board', { filter: {}, columns: COLUMNS, windows: COLUMNS.map(() => ({ after: 0, limit: 50 })) }),
    counts: ['local', 'ada'].map((ownerId) => core.ask('countJobs', { ownerId, status: ['completed', 'failed'] })),
    sessions,
    transcripts: sessions.items.map(({ id }) => core.ask('transcript', id)),
    schedules: core.ask('schedules'),
    locks: core.ask('locks'),
    work: { waiting: [...waiting], running, owing, owed, openTurns, occurrences },
  }
}

function jobsOf(events: readonly RecordedEvent[]): JobRecord[] {
  const jobs = new Map<string, JobRecord>()
  for (const event of events) {
    const stream = parseStream(APP, event.stream)
    const job = stream?.kind === 'task' ? foldJob(jobs.get(stream.key), stream.key, event) : undefined
    if (stream && job) jobs.set(stream.key, job)
  }
  return [...jobs.values()]
}

/** A task that ends while its reply is half-written. */
function cutOff(history: History, id: string, sessionId: string): void {
  history.task(id, submitted({ sessionId }))
  const [start] = history.task(id, started())
  const claim = start?.id ?? ''
  const data = { replyId: `of ${id}`, offset: 0, text: 'so far', taskId: id, claim }
  history.session(sessionId, { type: 'ReplyStreamed', data })
  history.task(id, completed(claim))
}

/** A task without a conversation says nothing in one. */
const step = fc.tuple(fc.nat(11), fc.nat(9), fc.nat(2000)).map(([n, what, ms]) => {
  return [n, what === 9 && n % 4 === 0 ? 8 : what, ms] as const
})
/** By itself fast-check takes no more than ten, which seldom lead to an end. */
const steps = fc.array(step, { minLength: 10, maxLength: 150, size: 'max' })
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 })

describe('streams that were retired', () => {
  // A promise: see docs/promises.md.
  it('are in no view, and what is left is the same whether the log still gives their events, all or some', () => {
    fc.assert(
      fc.property(steps, sizes, fc.array(fc.boolean(), { minLength: 14, maxLength: 14 }), (list, batches, which) => {
        const history = historyOf(list)
        for (const i of [0, 1, 2]) cutOff(history, `w${i}`, `s${1 + (i % 2)}`)
        const ends = ['s1', 's2'].filter((_, i) => which[12 + i])
        for (const id of ends) history.session(id, { type: 'SessionEnded', data: {} })
        const ended = jobsOf(history.events).filter(({ status }) => TERMINAL_STATUSES.some((end) => end === status))
        const going = ended.filter((_, i) => which[i])
        for (const { id, sessionId } of going) history.retire('task', id, sessionId)
        const stay = jobsOf(history.events).filter(({ id }) => !going.some((gone) => gone.id === id))
        for (const id of ends) if (!stay.some(({ sessionId }) => sessionId === id)) history.retire('session', id)
        const streams = new Set(
          history.events.filter(({ type }) => type === 'StreamRetired').map(({ data }) => String(data.stream)),
        )
        const whole = viewsOf(fold(history.events, batches))
        const none = history.events.filter(({ stream }) => !streams.has(stream))
        const some = history.events.filter(({ stream, position }) => !streams.has(stream) || position % 3n === 0n)
        expect(viewsOf(fold(none))).toEqual(whole)
        expect(viewsOf(fold(some))).toEqual(whole)
        expect(whole.jobs.items.filter(({ id }) => going.some((gone) => gone.id === id))).toEqual([])
      }),
      { numRuns: 40 },
    )
  })
})

describe('a task that was retired', () => {
  it('is counted on no board and in no conversation, and whoever watches it is told', async () => {
    const history = new History()
    history.session('s', { type: 'SessionStarted', data: { ownerId: 'local' } })
    history.task('a', submitted({ sessionId: 's' }), started(), completed())
    history.task('b', submitted({ sessionId: 's' }), started(), completed())
    const opened = fold(history.events)
    const failures: Error[] = []
    const counts: number[] = []
    const failed = (error: Error) => failures.push(error)
    opened.core.hub.watch('job', { id: 'a' }, { snapshot: () => {}, delta: () => {}, failed })
    const board = { filter: {}, columns: COLUMNS, windows: COLUMNS.map(() => ({ after: 0, limit: 50 })) }
    opened.core.hub.watch('board', board, {
      snapshot: (_, { columns }) => counts.push(columns[1]?.count ?? -1),
      delta: (_from, _to, changes) => counts.push(...changes.map(({ count }) => count)),
      failed,
    })
    await Promise.resolve()
    const event = history.retire('task', 'a', 's')
    opened.core.apply([event])
    expect(failures).toMatchObject([{ code: 'watch-target-missing', id: 'a' }])
    expect(counts).toEqual([2, 1])
    expect(opened.core.ask('session', 's')).toMatchObject({ jobs: { completed: 1 }, position: event.position })
    expect(opened.core.ask('job', 'a')).toBeUndefined()
  })

  it('owes nothing, and leaves no reply half-written', () => {
    const history = new History()
    const failed = { type: 'TaskFailed', data: { claim: 'c', error: failure() } } as const
    history.session('s', { type: 'SessionStarted', data: { ownerId: 'local' } })
    history.task('a', submitted({ sessionId: 's', callbackUrl: 'https://example.org/', onFailure: true }), started())
    history.session('s', {
      type: 'ReplyStreamed',
      data: { replyId: 'r', offset: 0, text: 'so far', taskId: 'a', claim: 'c' },
    })
    const before = history.events.length
    history.task('a', failed)
    history.task('about', { type: 'TaskSubmitted', data: submission({ failureOf: { taskId: 'a', run: 1 } }) })
    history.retire('task', 'a', 's')
    const lost = history.events.filter((_, i) => i !== before)
    for (const events of [history.events, lost]) {
      const opened = fold(events)
      expect(viewsOf(opened).work).toMatchObject({ owing: [], owed: [] })
      expect(opened.core.ask('transcript', 's')?.items).toMatchObject([
        { kind: 'reply', text: 'so far', streaming: false },
      ])
    }
  })

  it('is where it was in a conversation that shows it, and in its schedule', () => {
    const history = new History()
    const definition = { cron: '0 * * * *', timezone: 'UTC', overlap: 'skip', missed: 'latest' } as const
    const due = '2026-01-05T10:00:00.000Z'
    history.add('schedule', 'hourly', { type: 'ScheduleRegistered', data: { name: 'hourly', ...definition } })
    history.add('schedule', 'hourly', { type: 'OccurrenceDue', data: { due, taskId: 'a', trigger: 'cron' } })
    history.session('s', { type: 'SessionStarted', data: { ownerId: 'local' } })
    history.session('s', { type: 'TaskShown', data: { shownId: 'x', shownTaskId: 'a' } })
    history.task('a', submitted({ occurrence: { schedule: 'hourly', due } }), started(), completed())
    history.add('schedule', 'hourly', { type: 'OccurrenceFinished', data: { due, taskId: 'a', status: 'completed' } })
    history.retire('task', 'a')
    const opened = fold(history.events)
    expect(opened.core.ask('transcript', 's')?.items).toMatchObject([{ kind: 'task', jobId: 'a' }])
    expect(opened.core.ask('schedule', 'hourly')?.last).toMatchObject([{ jobId: 'a', status: 'completed' }])
    expect(viewsOf(opened).work.occurrences).toEqual([])
  })
})

describe('what retention looks at', () => {
  it('is what ended before, deleted or not, page by page, those that failed first', () => {
    const history = new History()
    history.task('done', submitted(), started(), completed())
    history.task('failed', submitted(), started(), { type: 'TaskFailed', data: { error: failure() } })
    history.task('deleted', submitted(), started(), completed(), { type: 'TaskDeleted', data: {} })
    history.task('live', submitted(), started())
    history.now += 1000
    history.task('late', submitted(), started(), completed())
    const { core } = fold(history.events)
    const query = { kind: 'task', before: history.now, limit: 2 } as const
    const first = core.ask('retirable', query)
    expect(first.ids).toEqual(['failed', 'done'])
    expect(core.ask('retirable', { ...query, after: first.next ?? '' })).toEqual({ ids: ['deleted'], next: undefined })
    expect(core.ask('retirable', { ...query, before: history.now - 1000 }).ids).toEqual([])
  })

  it('is a conversation that has ended once no task of it is left', () => {
    const history = new History()
    for (const id of ['a', 'b', 'c']) history.session(id, { type: 'SessionStarted', data: { ownerId: 'local' } })
    history.task('t', submitted({ sessionId: 'a' }), started(), completed())
    for (const id of ['a', 'b']) history.session(id, { type: 'SessionEnded', data: {} })
    const { core } = fold(history.events)
    const query = { kind: 'session', before: history.now + 1, limit: 10 } as const
    expect(core.ask('retirable', query).ids).toEqual(['b'])
    core.apply([history.retire('task', 't', 'a')])
    expect(core.ask('retirable', query).ids).toEqual(['a', 'b'])
    expect(core.ask('retirable', { ...query, limit: 1 })).toMatchObject({ ids: ['a'], next: expect.any(String) })
  })
})
