/** The owed read model by given events: what a starting node must still do about runs that have ended. */
import { DatabaseSync } from 'node:sqlite'
import { beforeEach, describe, expect, it } from 'vitest'
import type { TaskFact } from '../../src/events/index.ts'
import { openReadCore, type ReadCore, readWork } from '../../src/projections/index.ts'
import { APP, completed, failure, History, started, submission, submitted } from './support.ts'

let history: History
let core: ReadCore
let db: DatabaseSync
beforeEach(() => {
  history = new History()
  db = new DatabaseSync(':memory:')
  core = openReadCore({ db, app: APP })
})

function owed() {
  core.apply(history.events.filter(({ position }) => position > core.engine.position))
  const { owing, owed } = readWork(db)
  return { owing, owed: owed.map(({ taskId, run, what }) => `${taskId} ${run} ${what}`).sort() }
}

const url = { callbackUrl: 'https://example.org/' }
const failed: TaskFact = { type: 'TaskFailed', data: { claim: 'c', error: failure() } }
const timedOut: TaskFact = { type: 'TaskTimedOut', data: { claim: 'c', error: failure() } }
const cancelled: TaskFact = { type: 'TaskCancelled', data: {} }
const requeued = (run: number): TaskFact => ({ type: 'TaskRequeued', data: { run } })
const delivered = (run: number): TaskFact => ({
  type: 'CallbackDelivered',
  data: { run, url: url.callbackUrl, status: 204, tries: 1 },
})

describe('an ended run', () => {
  it.each([
    ['completed', completed(), ['a 1 callback']],
    ['failed', failed, ['a 1 callback', 'a 1 on-failure']],
    ['timed out', timedOut, ['a 1 callback', 'a 1 on-failure']],
    ['cancelled', cancelled, ['a 1 callback']],
  ] as const)('that %s owes what its task asks for', (_how, end, expected) => {
    history.task('a', submitted({ ...url, onFailure: true }), started())
    history.task('plain', submitted(), started())
    expect(owed()).toEqual({ owing: ['a'], owed: [] })
    history.task('a', end)
    history.task('plain', end)
    expect(owed()).toEqual({ owing: [], owed: expected })
  })

  it('names the event that ended it', () => {
    history.task('a', submitted(url), started())
    const [event] = history.task('a', completed())
    owed()
    expect(readWork(db).owed).toEqual([{ taskId: 'a', run: 1, what: 'callback', event: event?.id }])
  })

  it('owes a callback until it is delivered or given up', () => {
    for (const id of ['a', 'b']) history.task(id, submitted(url), started(), completed())
    history.task('a', delivered(1))
    history.task('b', { type: 'CallbackFailed', data: { run: 1, url: url.callbackUrl, tries: 7, reason: 'gone' } })
    expect(owed().owed).toEqual([])
  })

  it('owes its onFailure until the task about it is submitted', () => {
    history.task('a', submitted({ onFailure: true }), started(), failed)
    expect(owed().owed).toEqual(['a 1 on-failure'])
    history.task('about', { type: 'TaskSubmitted', data: submission({ failureOf: { taskId: 'a', run: 1 } }) })
    expect(owed().owed).toEqual([])
  })

  it('of a requeued task owes its own', () => {
    history.task('a', submitted(url), started(), failed)
    expect(owed()).toEqual({ owing: [], owed: ['a 1 callback'] })
    history.task('a', requeued(2))
    expect(owed()).toEqual({ owing: ['a'], owed: ['a 1 callback'] })
    history.task('a', started(2), completed())
    expect(owed().owed).toEqual(['a 1 callback', 'a 2 callback'])
    history.task('a', delivered(2))
    expect(owed().owed).toEqual(['a 1 callback'])
  })

  it('is known to a process that did not see the submit', () => {
    history.task('a', submitted(url), started())
    owed()
    core = openReadCore({ db, app: APP })
    history.task('a', completed())
    expect(owed().owed).toEqual(['a 1 callback'])
  })
})
