/** Each read model by given events: what a person or a starting node is then told. */
import { DatabaseSync } from 'node:sqlite'
import { beforeEach, describe, expect, it } from 'vitest'
import { type LockFact, type ScheduleFact, TASK_STATUSES } from '../../src/events/index.ts'
import { BadCursor, openReadCore, type ReadCore, readWork, titleOf } from '../../src/projections/index.ts'
import { APP, completed, failure, History, iso, started, submission, submitted, T0 } from './support.ts'

let history: History
let core: ReadCore
let db: DatabaseSync
beforeEach(() => {
  history = new History()
  db = new DatabaseSync(':memory:')
  core = openReadCore({ db, app: APP })
})

/** Takes in what was added to the history since. */
function read(): ReadCore {
  core.apply(history.events.filter(({ position }) => position > core.engine.position))
  return core
}

function at(ms: number): void {
  history.now = T0 + ms
}

describe('a board', () => {
  const WHOLE = { filter: {}, columns: [{ label: 'All', statuses: TASK_STATUSES }], windows: [{ after: 0, limit: 50 }] }

  it('leaves a large input and a large result out of a card, and says so; the job has them', () => {
    const large = 'ä'.repeat(5000)
    history.task('small', submitted({ params: { text: 'x'.repeat(8000) } }), started(1, 'c1'), completed('c1'))
    history.task('input', submitted({ params: { report_id: 'daily', text: large } }))
    history.task('result', submitted({ params: { id: 'a' } }), started(1, 'c2'), completed('c2', { text: large }))
    const cards = new Map(
      read()
        .ask('board', WHOLE)
        .columns[0]?.jobs.map((job) => [job.id, job]),
    )
    expect(cards.get('small')).toEqual(core.ask('job', 'small'))
    expect(cards.get('input')).toMatchObject({ title: 'daily', params: {}, result: null, abridged: true })
    expect(cards.get('result')).toMatchObject({
      status: 'completed',
      params: { id: 'a' },
      result: null,
      abridged: true,
    })
    expect(core.ask('job', 'input')?.params).toEqual({ report_id: 'daily', text: large })
    expect(core.ask('jobs', {}).items.find(({ id }) => id === 'result')).toEqual(core.ask('job', 'result'))
    expect(core.ask('job', 'result')).toMatchObject({ result: { text: large } })
  })
})

describe('jobs', () => {
  it('have no half character at the end of a title that was cut', () => {
    expect(titleOf('x', { name: '😀'.repeat(100) })).toBe(`${'😀'.repeat(59)}…`)
  })

  it('are found by a list or an object in their input, whatever others have there', () => {
    history.task('a', submitted({ params: { of: [1, { b: 'x"y' }] } }))
    history.task('b', submitted({ params: { of: 'all of it' } }))
    history.task('c', submitted({ params: {} }))
    expect(read().ask('jobs', { params: { of: [1, { b: 'x"y' }] } }).items).toMatchObject([{ id: 'a' }])
  })

  it.each(['C:\\temp\\october', 'say "done"', 'two\nlines', '100%', 'a_b'])(
    'are found by what their input says: %s',
    (q) => {
      history.task('a', submitted({ params: { name: 'other', note: { text: `it says ${q}.` } } }))
      history.task('b', submitted({ params: { name: 'other', note: { text: 'it says 100 of a-b' } } }))
      expect(
        read()
          .ask('jobs', { q })
          .items.map(({ id }) => id),
      ).toEqual(['a'])
    },
  )

  it('follow an attempt, its failure, and the one that succeeds', () => {
    history.task('a', submitted({ tags: ['big'], sessionId: 's1', lockKey: 'k', retries: 3 }))
    at(10)
    history.task('a', started(1))
    history.task('a', { type: 'TaskProgressed', data: { claim: 'c', fraction: 0.5, message: 'half' } })
    history.task('a', { type: 'TaskProgressed', data: { claim: 'c', fraction: 0.6 } })
    expect(read().ask('job', 'a')).toMatchObject({
      status: 'running',
      title: 'daily',
      attempt: 1,
      node: 'n1',
      progress: { fraction: 0.6, message: 'half' },
      tags: ['big'],
      submittedAt: T0,
      startedAt: T0 + 10,
    })
    const runAt = iso(T0 + 500)
    history.task('a', { type: 'TaskRetryScheduled', data: { claim: 'c', cause: 'failure', error: failure(), runAt } })
    expect(read().ask('job', 'a')).toMatchObject({
      status: 'retry',
      failures: 1,
      error: { message: 'broken' },
      runAt: T0 + 500,
      claim: undefined,
      progress: undefined,
    })
    at(600)
    const [event] = history.task('a', started(2))
    history.task('a', completed())
    expect(read().ask('job', 'a')).toMatchObject({
      status: 'completed',
      attempt: 2,
      result: { ok: true },
      error: undefined,
      finishedAt: T0 + 600,
      claim: event?.id,
    })
  })

  it('count crashes but neither drains nor a lost store', () => {
    history.task('a', submitted())
    for (const cause of ['crash', 'drain', 'lost'] as const) {
      history.task('a', started(), { type: 'TaskInterrupted', data: { claim: 'c', cause, runAt: iso(T0) } })
    }
    expect(read().ask('job', 'a')).toMatchObject({ crashes: 1, failures: 0, status: 'retry' })
  })

  it('name who asked for a cancellation, not the node that carried it out', () => {
    history.task('a', submitted(), started())
    history.add('task', 'a', { type: 'TaskCancelRequested', data: { claim: 'c' } }, { by: 'user:ada' })
    expect(read().ask('job', 'a')).toMatchObject({ cancelRequested: true, cancelledBy: 'user:ada', status: 'running' })
    history.add('task', 'a', { type: 'TaskCancelled', data: { claim: 'c' } }, { by: 'node:n1' })
    expect(read().ask('job', 'a')).toMatchObject({ status: 'cancelled', cancelledBy: 'user:ada' })
  })

  it('begin a new run when requeued: attempts go on, everything else begins again', () => {
    history.task('a', submitted(), started(1), { type: 'TaskFailed', data: { claim: 'c', error: failure() } })
    expect(read().ask('job', 'a')).toMatchObject({ status: 'failed', failures: 1 })
    history.task('a', { type: 'TaskRequeued', data: { run: 2 } })
    expect(read().ask('job', 'a')).toMatchObject({
      status: 'pending',
      attempt: 1,
      failures: 0,
      error: undefined,
      claim: undefined,
      node: undefined,
      finishedAt: undefined,
    })
  })

  it('say to a starting node which run of them waits', () => {
    const fails = { type: 'TaskFailed', data: { claim: 'c', error: failure() } } as const
    history.task('a', submitted(), started(1), fails, { type: 'TaskRequeued', data: { run: 2 } })
    history.task('b', submitted())
    read()
    expect([...readWork(db).waiting].map(({ id, run }) => [id, run])).toEqual([
      ['a', 2],
      ['b', 1],
    ])
  })

  it('vanish from every view when deleted, and are still work', () => {
    history.task('a', submitted({ sessionId: 's1' }), started(), { type: 'TaskDeleted', data: {} })
    history.task('b', submitted(), { type: 'TaskDeleted', data: {} })
    read()
    expect(core.ask('job', 'a')).toBeUndefined()
    expect(core.ask('jobs', {})).toMatchObject({ items: [], total: 0 })
    expect(core.ask('countJobs', {})).toBe(0)
    const work = readWork(db)
    expect(work.running).toMatchObject([{ id: 'a' }])
    expect([...work.waiting]).toMatchObject([{ id: 'b' }])
  })

  it('come in pages, newest first, without a gap or a repeat', () => {
    const ids = Array.from({ length: 25 }, (_, i) => `t${i}`)
    for (const id of ids) history.task(id, submitted())
    read()
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = core.ask('jobs', { limit: 10, ...(cursor === undefined ? {} : { cursor }) })
      expect(page.total).toBe(25)
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.next
    } while (cursor !== undefined)
    expect(seen).toEqual(ids.toReversed())
    expect(core.ask('jobIds', {}, { limit: 3 })).toEqual({ ids: ['t0', 't1', 't2'], next: '3' })
    expect(core.ask('jobIds', {}, { limit: 30, after: '3' })).toEqual({ ids: ids.slice(3), next: undefined })
    expect(() => core.ask('jobs', { cursor: "1' OR 1" })).toThrow(BadCursor)
  })

  it('are found by text, as it stands, and by inputs of any type', () => {
    history.task('a', submitted({ params: { report_id: '100%_sure', n: 5, deep: { x: [1] }, off: false, none: null } }))
    history.task('b', submitted({ params: { report_id: '100 sure', n: '5' } }))
    read()
    const ids = (filter: Parameters<typeof core.ask<'jobs'>>[1]) => core.ask('jobs', filter).items.map(({ id }) => id)
    expect(ids({ q: '0%_S' })).toEqual(['a'])
    expect(ids({ q: '100' })).toEqual(['b', 'a'])
    expect([ids({ q: '\0' }), ids({ q: '100\0' })]).toEqual([[], []])
    expect(ids({ params: { n: '5' } })).toEqual(['b', 'a'])
    expect(ids({ params: { n: 5 } })).toEqual(['a'])
    expect(ids({ params: { deep: { x: [1] } } })).toEqual(['a'])
    expect(ids({ params: { off: false } })).toEqual(['a'])
    expect(ids({ params: { none: null } })).toEqual(['a'])
  })

  it('take their title from the most telling input', () => {
    expect(titleOf('build', { where: 'Oslo', report_id: 'daily' })).toBe('daily')
    expect(titleOf('build', { n: 1, where: 'Oslo' })).toBe('Oslo')
    expect(titleOf('build', { n: 1 })).toBe('build')
    expect(titleOf('build', { name: 'x'.repeat(500) })).toHaveLength(120)
  })

  it('keep their inputs through a restart that comes while they run', () => {
    history.task('a', submitted({ params: { report_id: 'daily', size: 3 } }))
    read()
    core = openReadCore({ db, app: APP })
    history.task('a', started())
    expect(read().ask('job', 'a')).toMatchObject({ status: 'running', params: { report_id: 'daily', size: 3 } })
  })
})

describe('sessions', () => {
  it('have no half character at the end of an opening that was cut', () => {
    history.session('s1', { type: 'SessionStarted', data: { ownerId: 'local' } })
    history.session('s1', { type: 'MessageReceived', data: { messageId: 'm1', text: '😀'.repeat(100) } })
    expect(read().ask('session', 's1')).toMatchObject({ opening: `${'😀'.repeat(69)}…` })
  })

  const message = (messageId: string, retryOf?: string) =>
    ({
      type: 'MessageReceived',
      data: { messageId, text: `text of ${messageId}`, ...(retryOf ? { retryOf } : {}) },
    }) as const
  const turn = (turn: string, messageId: string) =>
    ({ type: 'TurnStarted', data: { turn, messageId, node: 'n1', deadline: iso(T0) } }) as const

  beforeEach(() => {
    history.session('s1', { type: 'SessionStarted', data: { ownerId: 'local', title: 'Chat' } })
  })

  function messages(): unknown[] {
    const items = read().ask('transcript', 's1')?.items ?? []
    return items.flatMap((item) => (item.kind === 'message' ? [[item.id, item.state]] : []))
  }

  it('show their end alone, in order', () => {
    history.session('s1', ...Array.from({ length: 9 }, (_, n) => message(`m${n}`)))
    const end = (last: number) =>
      read()
        .ask('transcript', 's1', { last })
        ?.items.map(({ id }) => id)
    expect(end(2)).toEqual(['m7', 'm8'])
    expect(end(100)).toHaveLength(9)
    expect(end(0)).toEqual([])
  })

  it('move a message through its turn, while the next one waits', () => {
    history.session('s1', message('m1'), message('m2'))
    expect(read().ask('session', 's1')?.turn).toEqual({ id: 'm1', status: 'queued', startedAt: undefined })
    history.session('s1', turn('u1', 'm1'))
    expect(messages()).toEqual([
      ['m1', 'running'],
      ['m2', 'queued'],
    ])
    expect(core.ask('session', 's1')?.turn).toEqual({ id: 'u1', status: 'running', startedAt: T0 })
    expect(readWork(db).openTurns).toEqual([{ sessionId: 's1', running: true }])
    history.session('s1', { type: 'TurnCompleted', data: { turn: 'u1', claim: 'c' } })
    history.session('s1', turn('u2', 'm2'), {
      type: 'TurnFailed',
      data: { turn: 'u2', claim: 'c', error: failure('no') },
    })
    expect(messages()).toEqual([
      ['m1', 'answered'],
      ['m2', 'failed'],
    ])
    expect(core.ask('transcript', 's1')?.items[1]).toMatchObject({ error: 'no' })
    expect(core.ask('session', 's1')?.turn).toBeUndefined()
    expect(readWork(db).openTurns).toEqual([])
  })

  it('try a message again in its own place', () => {
    history.session('s1', message('m1'), turn('u1', 'm1'))
    history.session('s1', { type: 'TurnInterrupted', data: { turn: 'u1', claim: 'c', cause: 'crash' } })
    expect(messages()).toEqual([['m1', 'interrupted']])
    history.session('s1', message('m2', 'm1'))
    expect(messages()).toEqual([['m1', 'queued']])
    history.session('s1', turn('u2', 'm2'), { type: 'TurnCompleted', data: { turn: 'u2', claim: 'c' } })
    expect(messages()).toEqual([['m1', 'answered']])
  })

  it('show a reply once, whether it is streamed, repeated, or cut off', () => {
    history.session('s1', message('m1'), turn('u1', 'm1'))
    history.session('s1', { type: 'ReplyStreamed', data: { turn: 'u1', replyId: 'r1', offset: 0, text: 'Hel' } })
    history.session('s1', { type: 'ReplyStreamed', data: { turn: 'u1', replyId: 'r1', offset: 3, text: 'lo' } })
    expect(read().ask('transcript', 's1')?.items[1]).toMatchObject({ text: 'Hello', streaming: true })
    history.session('s1', { type: 'Replied', data: { turn: 'u1', replyId: 'r1', text: 'Hello!' } })
    history.session('s1', { type: 'Replied', data: { turn: 'u1', replyId: 'r1', text: 'again' } })
    history.session('s1', { type: 'ReplyStreamed', data: { turn: 'u1', replyId: 'r2', offset: 0, text: 'And' } })
    history.session('s1', { type: 'TurnStopped', data: { turn: 'u1', claim: 'c' } })
    const items = read().ask('transcript', 's1')?.items
    expect(items).toMatchObject([
      { kind: 'message', state: 'stopped' },
      { kind: 'reply', id: 'r1', text: 'Hello!', streaming: false },
      { kind: 'reply', id: 'r2', text: 'And', streaming: false },
    ])
  })

  it('close a reply that an attempt left unfinished when it ended, until a later one says it', () => {
    const streamed = (claim: string, text: string, offset = 0) =>
      history.session('s1', { type: 'ReplyStreamed', data: { taskId: 't1', claim, replyId: 'r1', offset, text } })
    const reply = () => read().ask('transcript', 's1')?.items[0]
    history.task('t1', submitted({ sessionId: 's1' }))
    const [first] = history.task('t1', started(1))
    const claim = first?.id ?? ''
    streamed(claim, 'Hel')
    expect(reply()).toMatchObject({ text: 'Hel', streaming: true })
    const before = core.ask('transcript', 's1')?.session.position ?? 0n
    history.task('t1', { type: 'TaskInterrupted', data: { claim, cause: 'crash', runAt: iso(history.now) } })
    expect(reply()).toMatchObject({ text: 'Hel', streaming: false })
    expect(core.ask('transcript', 's1')?.session.position).toBeGreaterThan(before)
    // On its way while the attempt ended.
    streamed(claim, 'lo', 3)
    expect(reply()).toMatchObject({ text: 'Hello', streaming: false })

    const [second] = history.task('t1', started(2))
    streamed(second?.id ?? '', 'Good')
    expect(reply()).toMatchObject({ text: 'Good', streaming: true })
    core.engine.reset()
    expect(reply()).toMatchObject({ text: 'Good', streaming: true })
    const whole = { taskId: 't1', claim: second?.id ?? '', replyId: 'r1', text: 'Good day' }
    history.session('s1', { type: 'Replied', data: whole })
    history.task('t1', { type: 'TaskCompleted', data: { claim: second?.id ?? '', result: null } })
    expect(reply()).toMatchObject({ text: 'Good day', streaming: false })
  })

  it('are known by the first thing said in them, and by the last', () => {
    for (const [index, text] of ['run', 'schedule 10s'].entries())
      history.session('s1', { type: 'MessageReceived', data: { messageId: `said ${index}`, text } })
    expect(read().ask('session', 's1')).toMatchObject({ opening: 'run', preview: 'schedule 10s' })
  })

  it('replace a notice and keep what it said', () => {
    history.session('s1', { type: 'Notified', data: { noticeId: 'n1', text: 'one' } })
    at(5)
    history.session('s1', { type: 'Notified', data: { noticeId: 'n1', text: 'two' } })
    expect(read().ask('transcript', 's1')?.items).toEqual([
      { kind: 'notice', id: 'n1', index: 0, at: T0 + 5, text: 'two', earlier: [{ text: 'one', at: T0 }] },
    ])
    expect(core.ask('session', 's1')).toMatchObject({ preview: 'two', updatedAt: T0 + 5, title: 'Chat' })
  })

  it('keep data, blocks and shown tasks, and say when they ended', () => {
    history.session('s1', { type: 'DataSet', data: { key: 'city', value: 'Oslo' } })
    history.session('s1', { type: 'BlockShown', data: { blockId: 'b1', block: { kind: 'text' } } })
    history.session('s1', { type: 'TaskShown', data: { shownId: 'x', shownTaskId: 't1', message: 'Building' } })
    history.session('s1', { type: 'TitleSet', data: { title: 'Oslo' } }, { type: 'SessionEnded', data: {} })
    expect(read().ask('transcript', 's1')).toMatchObject({
      session: { data: { city: 'Oslo' }, title: 'Oslo', ended: true },
      items: [
        { kind: 'block', block: { kind: 'text' } },
        { kind: 'task', jobId: 't1', message: 'Building' },
      ],
    })
  })

  it('have no work in them once they have ended: what was being answered or waited is stopped', () => {
    const said = { turn: 'u1', claim: 'c', replyId: 'r1', offset: 0, text: 'Hel' }
    history.session('s1', message('m1'), message('m2'), turn('u1', 'm1'), { type: 'ReplyStreamed', data: said })
    read()
    expect(readWork(db).openTurns).toEqual([{ sessionId: 's1', running: true }])
    history.session('s1', { type: 'SessionEnded', data: {} })
    expect(read().ask('transcript', 's1')).toMatchObject({
      session: { turn: undefined, ended: true },
      items: [
        { id: 'm1', state: 'stopped' },
        { id: 'm2', state: 'stopped' },
        { id: 'r1', streaming: false },
      ],
    })
    expect(readWork(db).openTurns).toEqual([])
  })

  it('are listed by owner, last used first', () => {
    for (const [i, id] of ['s2', 's3'].entries()) {
      at(i + 1)
      history.session(id, { type: 'SessionStarted', data: { ownerId: 'ada' } })
    }
    const first = read().ask('sessions', { ownerId: 'ada', limit: 1 })
    expect(first.items).toMatchObject([{ id: 's3' }])
    const second = core.ask('sessions', { ownerId: 'ada', limit: 1, ...(first.next ? { cursor: first.next } : {}) })
    expect(second).toMatchObject({ items: [{ id: 's2' }], next: undefined })
  })
})

describe('schedules', () => {
  const definition = { name: 'digest', cron: '0 9 * * *', timezone: 'UTC', overlap: 'skip', missed: 'latest' } as const
  const add = (...facts: ScheduleFact[]) => facts.map((fact) => history.add('schedule', 'digest', fact))

  it('tell the last decisions, with the status of their tasks', () => {
    add({ type: 'ScheduleRegistered', data: definition })
    add({ type: 'OccurrenceDue', data: { due: iso(T0), taskId: 'o1', trigger: 'cron' } })
    add({ type: 'OccurrenceSkipped', data: { due: iso(T0 + 1), reason: 'overlap' } })
    expect(readWorkNow().occurrences).toEqual([{ schedule: 'digest', due: iso(T0), taskId: 'o1', status: undefined }])
    history.task('o1', submitted({ occurrence: { schedule: 'digest', due: iso(T0) } }), started())
    expect(readWorkNow().occurrences).toEqual([])
    expect(core.ask('schedule', 'digest')).toMatchObject({
      ...definition,
      lastDue: iso(T0 + 1),
      last: [
        { decision: 'skipped', reason: 'overlap', jobId: undefined },
        { decision: 'due', trigger: 'cron', jobId: 'o1', status: 'running' },
      ],
    })
    history.task('o1', completed())
    expect(readWorkNow().occurrences).toMatchObject([{ taskId: 'o1', status: 'completed' }])
    add({ type: 'OccurrenceFinished', data: { due: iso(T0), taskId: 'o1', status: 'completed' } })
    expect(readWorkNow().occurrences).toEqual([])
    const page = core.ask('occurrences', 'digest', { limit: 1 })
    expect(page.items).toMatchObject([{ decision: 'skipped' }])
    expect(core.ask('occurrences', 'digest', page.next ? { cursor: page.next } : {}).items).toMatchObject([
      { jobId: 'o1' },
    ])
  })

  it('are paused, changed, removed and registered again', () => {
    add({ type: 'ScheduleRegistered', data: definition }, { type: 'SchedulePaused', data: {} })
    add({ type: 'ScheduleChanged', data: { ...definition, cron: '0 8 * * *', description: 'Early' } })
    expect(read().ask('schedules')).toMatchObject([
      { paused: true, removed: false, cron: '0 8 * * *', description: 'Early' },
    ])
    add({ type: 'ScheduleRemoved', data: {} })
    expect(read().ask('schedule', 'digest')).toMatchObject({ removed: true })
    add({ type: 'ScheduleRegistered', data: definition })
    expect(read().ask('schedule', 'digest')).toMatchObject({ removed: false, paused: false })
  })

  function readWorkNow() {
    read()
    return readWork(db)
  }
})

describe('locks', () => {
  const party = (taskId: string) => ({ key: 'report:{1}', taskId, name: 'build_report', ownerId: 'local' })
  const add = (...facts: LockFact[]) => facts.map((fact) => history.add('lock', 'report:{1}', fact))

  it('tell the holder, the queue, and each waiter its place', () => {
    const lockKey = 'report:{1}'
    add({ type: 'LockAcquired', data: { ...party('a'), submission: submission({ lockKey }) } })
    add({ type: 'LockQueued', data: { ...party('b'), submission: submission({ lockKey }) } })
    add({ type: 'LockQueued', data: party('c') })
    for (const id of ['a', 'b', 'c']) history.task(id, submitted({ lockKey }))
    history.task('a', started())
    const of = { name: 'build_report', ownerId: 'local', since: T0 }
    expect(read().ask('locks')).toEqual([
      {
        key: lockKey,
        holder: { ...of, taskId: 'a', revision: '0', fence: '0', carriesSubmission: true, status: 'running' },
        queue: [
          { ...of, taskId: 'b', revision: '1', fence: '1', carriesSubmission: true, status: 'pending' },
          { ...of, taskId: 'c', revision: '2', fence: '2', carriesSubmission: false, status: 'pending' },
        ],
      },
    ])
    expect(core.ask('job', 'c')?.lockWait).toEqual({ holder: 'a', place: 2 })
    expect(core.ask('job', 'a')?.lockWait).toBeUndefined()

    history.now += 5000
    add({ type: 'LockReleased', data: { taskId: 'a', reason: 'completed' } })
    add({ type: 'LockTakenOver', data: { from: 'a', to: 'b', reason: 'released' } })
    // The fencing token is where it became the holder: 3 is the release of the holder before.
    expect(read().ask('locks')).toMatchObject([
      { holder: { taskId: 'b', revision: '1', fence: '4', since: history.now }, queue: [{ taskId: 'c' }] },
    ])
    expect(core.ask('job', 'c')?.lockWait).toEqual({ holder: 'b', place: 1 })

    add({ type: 'LockReleased', data: { taskId: 'c', reason: 'cancelled' } })
    add({ type: 'LockReleased', data: { taskId: 'b', reason: 'completed' } })
    expect(read().ask('locks')).toEqual([])
  })

  it('know a holder whose task is still missing', () => {
    add({ type: 'LockAcquired', data: { ...party('a'), submission: submission() } })
    expect(read().ask('locks')).toMatchObject([{ holder: { taskId: 'a', carriesSubmission: true, status: undefined } }])
  })
})
