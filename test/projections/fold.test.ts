/** Whatever happened and however it came in batches: the tables say what a fold of the log says, and so does a rebuild. */
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseStream, type RecordedEvent, TASK_STATUSES, TERMINAL_STATUSES } from '../../src/events/index.ts'
import {
  attemptEnded,
  type BoardQuery,
  foldJob,
  type ItemView,
  type JobRecord,
  type JobStatus,
  openReadCore,
  type ReadCore,
  type SessionHead,
  sessionStep,
} from '../../src/projections/index.ts'
import { cut, historyOf, steps } from './random-history.ts'
import { APP } from './support.ts'

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 })
const COLUMNS = [
  { label: 'Scheduled', statuses: ['scheduled'] },
  { label: 'Queued', statuses: ['pending', 'retry'] },
  { label: 'Running', statuses: ['running'] },
  { label: 'Done', statuses: ['completed'] },
  { label: 'Failed', statuses: ['failed', 'timeout', 'cancelled'] },
] as const satisfies BoardQuery['columns']

function open(): ReadCore {
  return openReadCore({ db: new DatabaseSync(':memory:'), app: APP })
}

function fill(core: ReadCore, events: readonly RecordedEvent[], batches: readonly number[]): ReadCore {
  for (const batch of cut(events, batches)) core.apply(batch)
  return core
}

function foldAll(events: readonly RecordedEvent[]): JobRecord[] {
  const jobs = new Map<string, JobRecord>()
  for (const event of events) {
    const stream = parseStream(APP, event.stream)
    if (stream?.kind !== 'task') continue
    const job = foldJob(jobs.get(stream.key), stream.key, event)
    if (job !== undefined) jobs.set(stream.key, job)
  }
  return [...jobs.values()]
}

function withoutLock(job: object): object {
  return { ...job, lockWait: undefined, hidden: undefined, expiresAt: undefined }
}

function sortTime(job: JobRecord): number {
  if (job.status === 'pending') return job.submittedAt
  if (job.status === 'scheduled' || job.status === 'retry') return job.runAt ?? 0
  return (job.status === 'running' ? job.startedAt : job.finishedAt) ?? 0
}

describe('the jobs table', () => {
  it('is the fold of the log', () => {
    fc.assert(
      fc.property(steps, sizes, (list, batches) => {
        const { events } = historyOf(list)
        const core = fill(open(), events, batches)
        const folded = foldAll(events)
        for (const job of folded) {
          const found = core.ask('job', job.id)
          if (job.hidden) expect(found).toBeUndefined()
          else expect(withoutLock(found ?? {})).toEqual(withoutLock(job))
        }
        const visible = folded.filter((job) => !job.hidden)
        expect(core.ask('jobs', { limit: 500 }).items.map(({ id }) => id)).toEqual(
          visible.map(({ id }) => id).reverse(),
        )
      }),
      { numRuns: 60 },
    )
  })

  it('gives the boards that the fold gives, whatever the filter', () => {
    const filters = fc.constantFrom<BoardQuery['filter']>(
      {},
      { name: 'send_mail' },
      { ownerId: 'ada' },
      { ownerId: 'local', name: 'build_report' },
      { sessionId: 's1' },
      { tag: 'big' },
      { params: { size: '3' } },
      { q: 'r1' },
      { status: ['failed', 'pending'] },
      { name: 'unheard_of' },
    )
    fc.assert(
      fc.property(steps, sizes, filters, fc.nat(3), (list, batches, filter, after) => {
        const { events } = historyOf(list)
        const core = fill(open(), events, batches)
        const matching = foldAll(events).filter((job) => matches(job, filter))
        const board = core.ask('board', { filter, columns: COLUMNS, windows: COLUMNS.map(() => ({ after, limit: 4 })) })
        for (const [i, { statuses }] of COLUMNS.entries()) {
          const own = matching.filter(({ status }) => (statuses as readonly JobStatus[]).includes(status))
          expect(board.columns[i]?.count).toBe(own.length)
          expect(
            core.ask('countJobs', {
              ...filter,
              status: statuses.filter((s) => !filter.status || filter.status.includes(s)),
            }),
          ).toBe(own.length)
          const newest = statuses.every((status) => (TERMINAL_STATUSES as readonly JobStatus[]).includes(status))
          const order = matching.indexOf.bind(matching)
          const sorted = own.toSorted((a, b) => (sortTime(a) - sortTime(b) || order(a) - order(b)) * (newest ? -1 : 1))
          expect(board.columns[i]?.jobs.map(({ id }) => id)).toEqual(sorted.slice(after, after + 4).map(({ id }) => id))
        }
      }),
      { numRuns: 150 },
    )
  })

  it('counts the jobs of a session', () => {
    fc.assert(
      fc.property(steps, sizes, (list, batches) => {
        const { events } = historyOf(list)
        const core = fill(open(), events, batches)
        const own = foldAll(events).filter((job) => !job.hidden && job.sessionId === 's1')
        const count = (...statuses: JobStatus[]) => own.filter(({ status }) => statuses.includes(status)).length
        expect(core.ask('session', 's1')?.jobs).toEqual({
          running: count('running'),
          waiting: count('pending', 'scheduled', 'retry'),
          completed: count('completed'),
          failed: count('failed', 'timeout'),
        })
      }),
      { numRuns: 60 },
    )
  })
})

function matches(job: JobRecord, filter: BoardQuery['filter']): boolean {
  return (
    !job.hidden &&
    (filter.name === undefined || job.name === filter.name) &&
    (filter.ownerId === undefined || job.ownerId === filter.ownerId) &&
    (filter.sessionId === undefined || job.sessionId === filter.sessionId) &&
    (filter.tag === undefined || job.tags.includes(filter.tag)) &&
    (filter.params === undefined || String(job.params.size) === filter.params.size) &&
    (filter.q === undefined || `${job.id} ${job.title} ${JSON.stringify(job.params)}`.includes(filter.q)) &&
    (filter.status ?? TASK_STATUSES).includes(job.status)
  )
}

const ENDS = ['TaskCompleted', 'TaskFailed', 'TaskRetryScheduled', 'TaskInterrupted']

describe('the transcript', () => {
  it('is the fold of the session', () => {
    fc.assert(
      fc.property(steps, sizes, (list, batches) => {
        const { events } = historyOf(list)
        const core = fill(open(), events, batches)
        for (const id of ['s1', 's2']) {
          let head: SessionHead | undefined
          const items = new Map<string, ItemView>()
          for (const event of events) {
            const find = (key: string) => items.get(key)
            const { claim } = event.data
            const writes = ENDS.includes(event.type) && head?.streaming.some((reply) => reply.claim === claim)
            if (!writes && event.stream !== `${APP}.session-${id}`) continue
            const step =
              writes && head ? attemptEnded(head, String(claim), event, find) : sessionStep(head, id, event, find)
            head = step?.head
            for (const { key, item } of step?.items ?? []) items.set(key, item)
          }
          const view = core.ask('transcript', id)
          expect(view?.items).toEqual([...items.values()].toSorted((a, b) => a.index - b.index))
          expect(view?.items.map(({ index }) => index)).toEqual(view?.items.map((_, i) => i))
          expect(view?.session.opening).toBe(head?.opening)
          expect(view?.session.preview).toBe(head?.preview)
        }
      }),
      { numRuns: 60 },
    )
  })
})

describe('a rebuild', () => {
  it('gives the same tables', () => {
    fc.assert(
      fc.property(steps, sizes, sizes, (list, some, others) => {
        const { events } = historyOf(list)
        const [a, b] = [fill(open(), events, some), fill(open(), events, others)]
        b.engine.reset()
        fill(b, events, [7])
        for (const core of [a, b]) expect(core.engine.position).toBe(events.at(-1)?.position)
        expect(b.ask('jobs', { limit: 500 })).toEqual(a.ask('jobs', { limit: 500 }))
        expect(b.ask('locks')).toEqual(a.ask('locks'))
        expect(b.ask('sessions', {})).toEqual(a.ask('sessions', {}))
      }),
      { numRuns: 40 },
    )
  })
})
