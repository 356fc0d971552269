import { describe, expect, test } from 'vitest'
import type { OutboxEntry } from '../../web-components/chat/outbox.ts'
import { lastOwnText, newItems, rowsOf, turnTrouble } from '../../web-components/chat/rows.ts'
import { aMessage, aReply } from './chat-fake-server.ts'

const day = (at: string) => at.slice(0, 10)
const outgoing = (facts: Partial<OutboxEntry> = {}): OutboxEntry => ({
  id: 'command-1',
  text: 'run',
  at: '2026-11-22T14:00:00.000Z',
  create: false,
  ...facts,
})

describe('the rows of a conversation', () => {
  test('are told apart also where a node’s clock goes back over midnight', () => {
    const at = ['2026-11-21T23:59:59Z', '2026-11-22T00:00:01Z', '2026-11-21T23:59:58Z', '2026-11-22T00:00:02Z']
    const items = at.map((instant, index) => aMessage({ id: `m${index}`, index, at: instant }))
    const ids = rowsOf(items, [], day).map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('begin each day with its name and end with what is on its way', () => {
    const rows = rowsOf(
      [
        aMessage({ id: 'm1', at: '2026-11-21T09:00:00.000Z' }),
        aReply({ id: 'r1', at: '2026-11-22T09:00:00.000Z' }),
        aReply({ id: 'r2', at: '2026-11-22T10:00:00.000Z' }),
      ],
      [outgoing()],
      day,
    )
    expect(rows.map(({ kind, id }) => [kind, id])).toEqual([
      ['day', 'day m1'],
      ['item', 'm1'],
      ['day', 'day r1'],
      ['item', 'r1'],
      ['item', 'r2'],
      ['outgoing', 'outgoing command-1'],
    ])
  })

  test.each([
    ['its message', outgoing({ messageId: 'm1' })],
    ['a message with the id of its command', outgoing({ id: 'm1' })],
  ])('draw an outgoing message no more once the transcript has %s', (_what, entry) => {
    expect(rowsOf([aMessage({ id: 'm1' })], [entry], day).filter(({ kind }) => kind === 'outgoing')).toEqual([])
  })
})

test('new items are those that were not there, not those that changed', () => {
  const before = [aMessage({ id: 'm1' }), aReply({ id: 'r1', text: 'a', streaming: true })]
  const after = [aMessage({ id: 'm1' }), aReply({ id: 'r1', text: 'ab' }), aReply({ id: 'r2' })]
  expect(newItems(before, after).map(({ id }) => id)).toEqual(['r2'])
})

test('the up arrow brings back what is on its way before what has arrived', () => {
  const items = [aMessage({ id: 'm1', text: 'first' }), aReply(), aMessage({ id: 'm2', text: 'second' })]
  expect(lastOwnText(items, [])).toBe('second')
  expect(lastOwnText(items, [outgoing({ text: 'third' })])).toBe('third')
  expect(lastOwnText([], [])).toBeNull()
})

test.each([
  ['queued', null, null],
  ['running', null, null],
  ['answered', null, null],
  ['failed', 'ledger locked', 'No answer: ledger locked'],
  ['failed', null, 'No answer: the turn failed.'],
  ['interrupted', null, 'Interrupted before it was answered.'],
  ['stopped', null, 'Stopped.'],
] as const)('a turn that is %s (%s) says %s', (state, error, said) => {
  expect(turnTrouble(aMessage({ state, error }))).toBe(said)
})
