import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { tellTrouble } from '../../src/app/trouble.ts'
import { StoreUnavailable } from '../../src/events/index.ts'

describe('what goes wrong beside any call', () => {
  beforeEach(() => void vi.useFakeTimers({ now: Date.parse('2026-01-05T09:00:00Z') }))
  afterEach(() => void vi.useRealTimers())

  const telling = () => {
    const lines: string[] = []
    return { lines, tell: tellTrouble((line) => void lines.push(line)) }
  }
  const away = () => new StoreUnavailable('The event store does not answer.', { retryable: true })

  test('is a line when its message says what to do, and else comes with its stack', () => {
    const { lines, tell } = telling()
    tell(away(), 'announcing this node')
    tell(new RangeError('no such thing'), 'projecting')
    expect(lines[0]).toBe('capsule: announcing this node: The event store does not answer.\n')
    expect(lines[1]).toMatch(/^capsule: projecting: RangeError: no such thing\n {4}at .*trouble\.test\.ts/)
  })

  test('is told whatever it is: a retryFor may throw anything', () => {
    const { lines, tell } = telling()
    const refuse = () => {
      throw new Error('not yours to read')
    }
    for (let again = 0; again < 2; again++) {
      tell(Object.create(null), 'asking')
      tell(Object.assign(new Error('x'), { stack: { odd: true } }), 'asking')
      tell(Object.defineProperty(new Error('x'), 'stack', { get: refuse }), 'asking')
    }
    expect(lines).toEqual([
      'capsule: asking: {}\n',
      'capsule: asking: {"odd":true}\n',
      'capsule: asking: cannot be read\n',
    ])
    vi.advanceTimersByTime(60_000)
    expect(lines).toHaveLength(6)
  })

  test('is told once, then a line a minute for as long as it lasts, and anew when it comes back', () => {
    const { lines, tell } = telling()
    for (let second = 0; second < 90; second += 2) {
      tell(away(), 'announcing this node')
      vi.advanceTimersByTime(2000)
    }
    vi.advanceTimersByTime(10 * 60_000)
    tell(away(), 'announcing this node')
    const doing = 'capsule: announcing this node:'
    const why = 'The event store does not answer.'
    expect(lines).toEqual([
      `${doing} ${why}\n`,
      `${doing} again 29 times, last at 2026-01-05T09:00:58.000Z: ${why}\n`,
      `${doing} again 15 times, last at 2026-01-05T09:01:28.000Z: ${why}\n`,
      `${doing} ${why}\n`,
    ])
  })

  test('is one when many things are held up by it, and told at once when it is another', () => {
    const { lines, tell } = telling()
    for (let task = 0; task < 1000; task++) tell(away(), `completing task ${task}`)
    tell(new StoreUnavailable('The disk is full.', { retryable: true }), 'claiming')
    expect(lines).toEqual([
      'capsule: completing task 0: The event store does not answer.\n',
      'capsule: claiming: The disk is full.\n',
    ])
    vi.advanceTimersByTime(60_000)
    expect(lines[2]).toMatch(/^capsule: completing task 999: again 999 times, last at \S+: The event store/)
  })
})
