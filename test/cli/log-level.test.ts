/** What a server says on standard error, level by level. */
import { expect, it, onTestFinished, vi } from 'vitest'
import { LOG_LEVELS, linesFrom } from '../../src/cli/log-level.ts'
import { StoreUnavailable } from '../../src/events/index.ts'
import { LoopHeld } from '../../src/execution/index.ts'

const request = { method: 'GET', url: '/api/v1/jobs?q=a\u001b[2J', status: 200, ms: 1.234, user: 'ann', id: 'r-1' }

it.for([
  [undefined, ['trouble', 'held', 'stopping']],
  ['silent', []],
  ['error', ['trouble']],
  ['warn', ['trouble', 'held']],
  ['info', ['trouble', 'held', 'stopping']],
  ['debug', ['trouble', 'held', 'stopping', 'GET']],
] as const)('from %s on', ([level, expected]) => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const said: string[] = []
  const lines = linesFrom(level, (line) => said.push(line))
  lines.report(new StoreUnavailable('trouble', { retryable: true }), 'looking')
  lines.report(new LoopHeld(['Task crunch'], 1500), 'watching the event loop')
  lines.info('stopping')
  lines.onRequest?.(request)
  expect(said.map((line) => /trouble|held|stopping|GET/.exec(line)?.[0])).toEqual(expected)
})

it('a request is a line, with who asked and how it was answered', () => {
  const said: string[] = []
  const { onRequest } = linesFrom('debug', (line) => said.push(line))
  onRequest?.(request)
  onRequest?.({ ...request, status: undefined, user: undefined })
  expect(said).toEqual([
    'capsule: GET /api/v1/jobs?q=a [2J 200 1.2 ms ann r-1\n',
    'capsule: GET /api/v1/jobs?q=a [2J left unanswered 1.2 ms nobody r-1\n',
  ])
})

it('where nobody wants to know of requests, none is told', () => {
  for (const level of LOG_LEVELS) expect(linesFrom(level).onRequest === undefined).toBe(level !== 'debug')
})
