/** Spans, instants and values in words. */
import { expect, test } from 'vitest'
import { format, jobs } from '../../web-components/shared/index.ts'
import { tell } from '../../web-components/task-card/history.ts'
import { aJob } from './fake-board-server.ts'

const S = 1000
const M = 60 * S
const H = 60 * M

test.each([
  [4, '4 ms'],
  [120, '0.1 s'],
  [5_000, '5.0 s'],
  [9_960, '10.0 s'],
  [48 * S, '48 s'],
  [6 * M + 12 * S, '6 min 12 s'],
  [6 * M, '6 min'],
  [3 * H + 5 * M + 40 * S, '3 h 5 min'],
  [52 * H, '2 d 4 h'],
])('%i ms took %s', (ms, words) => expect(format.duration(ms)).toBe(words))

test.each([
  [-5, '00:00'],
  [1, '00:01'],
  [8 * S, '00:08'],
  [24 * M + 20 * S, '24:20'],
  [3 * H + 5 * M, '3:05:00'],
  [50 * H, '2 d 2 h'],
])('%i ms left is %s', (ms, words) => expect(format.countdown(ms)).toBe(words))

test('a span one scans has one unit', () => {
  expect([4 * S, 59 * S, 14 * M, 3 * H + 59 * M, 50 * H].map(format.rough)).toEqual([
    '4 s',
    '59 s',
    '14 min',
    '3 h',
    '2 d',
  ])
})

test('days near today have names', () => {
  const now = new Date(2026, 10, 22, 14, 5).getTime()
  const days = [-1, 0, 1, -3, 400].map((offset) => format.day(new Date(2026, 10, 22 + offset, 9).getTime(), now))
  expect(days).toEqual(['Yesterday', 'Today', 'Tomorrow', '19 Nov', '27 Dec 2027'])
})

test('a value is written as one would write it, and cut', () => {
  expect(format.oneLine({ report_id: 'weekly', ok: true, 'with space': [1, null] })).toBe(
    '{ report_id: "weekly", ok: true, "with space": [1, null] }',
  )
  expect(format.oneLine({})).toBe('{}')
  expect(format.oneLine('x'.repeat(500), 20)).toHaveLength(20)
})

test('counts and positions are grouped, also past what a number holds', () => {
  expect(format.count(9_872)).toBe('9,872')
  expect(format.position('9007199254740993')).toBe('9,007,199,254,740,993')
  expect(format.position('C:12/P:3')).toBe('C:12/P:3')
})

test('people and nodes go by their names', () => {
  expect(['user:M. Brandt', 'node:node-1', 'schedule:digest', 'system'].map(format.actor)).toEqual([
    'M. Brandt',
    'node-1',
    'schedule digest',
    'system',
  ])
})

const now = Date.parse('2026-11-22T14:05:00Z')
const at = (ms: number) => new Date(now + ms).toISOString()

test.each([
  [aJob({ status: 'pending', attempt: 0, submitted_at: at(-4 * S) }), 'Queued 4 s', ''],
  [aJob({ status: 'pending', attempt: 2, submitted_at: at(-3 * 24 * 60 * M) }), 'Queued again', ''],
  [aJob({ status: 'scheduled', run_at: at(24 * M + 20 * S) }), 'Starts in 24:20', ''],
  [aJob({ status: 'scheduled', run_at: at(-1) }), 'Starts now', ''],
  [aJob({ status: 'running', progress: { fraction: 0.62, message: null } }), '62%', ''],
  [aJob({ status: 'running', started_at: at(-29 * S) }), 'Running 29 s', ''],
  [aJob({ status: 'running', cancel_requested: true }), 'Cancelling', ''],
  [aJob({ status: 'retry', run_at: at(8 * S) }), 'Retries in 00:08', ''],
  [aJob({ status: 'completed', started_at: at(-5 * S), finished_at: at(0) }), 'Completed', 'in 5.0 s'],
  [aJob({ status: 'failed', attempt: 2 }), 'Failed', 'after 2 attempts'],
  [aJob({ status: 'failed', attempt: 0 }), 'Failed', 'before it started'],
])('%o says what it is', (job, lit, rest) => expect(jobs.headline(job, now)).toEqual({ lit, rest }))

test('an interruption uses up no attempt, and its reason does not count one', () => {
  const error = { type: 'Error', message: 'ECONNRESET from ledger-db', retryable: true }
  expect(jobs.why(aJob({ status: 'retry', failures: 2, attempt: 4, retries: 2, error }))).toBe(
    'Attempt 2 of 3. ECONNRESET from ledger-db',
  )
  expect(jobs.why(aJob({ status: 'retry', waiting_for: null }))).toBe('Interrupted')
})

test('a board tells how long a task is queued, unless it ran before: since when is not known then', () => {
  const submitted_at = at(-3 * 24 * 60 * M)
  expect(jobs.shortFact(aJob({ attempt: 0, submitted_at }), now)).toBe('3 d')
  expect(jobs.shortFact(aJob({ attempt: 1, submitted_at }), now)).toBe('queued again')
})

test('what ended while it waited took no time of an attempt, and its wait is not told as one', () => {
  const times = { started_at: at(-60 * M), finished_at: at(0) }
  expect(jobs.took(aJob({ status: 'cancelled', ...times, node: null }))).toBeUndefined()
  expect(jobs.took(aJob({ status: 'failed', ...times, node: null }))).toBeUndefined()
  expect(jobs.took(aJob({ status: 'cancelled', ...times, node: 'node-1' }))).toBe('1 h')
  expect(jobs.took(aJob({ status: 'completed', ...times, node: 'node-1' }))).toBe('1 h')
})

test('a value cut to one line ends with a whole character', () => {
  expect(format.oneLine('😀'.repeat(100), 11)).toBe(`"${'😀'.repeat(4)}…`)
})

test('a task that timed out does not name the error that its status is', () => {
  const error = { type: 'TimeoutError', message: 'The attempt did not end within its timeout of 2 s.', retryable: true }
  expect(jobs.errorLine(aJob({ status: 'timeout', error }))).toBe(error.message)
  expect(jobs.errorLine(aJob({ status: 'failed', error }))).toBe(`TimeoutError: ${error.message}`)
  const event = { type: 'TaskTimedOut', at: '', by: 'system', position: '1', revision: 0, data: { error }, hash: null }
  expect(tell(event, 0).who).toBe(error.message)
  const refused_actions = { cancel: 'The task has ended already: it is timeout.' }
  expect(jobs.refusal(aJob({ status: 'timeout', refused_actions }), 'cancel')).toBe('It has ended: timed out.')
})
