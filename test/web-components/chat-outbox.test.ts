import { describe, expect, test } from 'vitest'
import { type KeyValueStore, Outbox, type OutboxEntry } from '../../web-components/chat/outbox.ts'

function aStorage(): KeyValueStore {
  const values = new Map<string, string>()
  return {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
    key: (index) => [...values.keys()][index] ?? null,
    get length() {
      return values.size
    },
  }
}

function anEntry(facts: Partial<OutboxEntry> = {}): OutboxEntry {
  return { id: 'command-1', text: 'run', at: '2026-11-22T14:00:00.000Z', create: false, ...facts }
}

describe('the outbox of a conversation', () => {
  test('keeps what is on its way over a reload, in the order it was typed, under the same ids', () => {
    const storage = aStorage()
    const before = new Outbox(storage, 'outbox:s1')
    before.add(anEntry({ id: 'b', text: 'first', at: '2026-11-22T14:00:01.000Z', create: true }))
    before.add(anEntry({ id: 'a', text: 'second', at: '2026-11-22T14:00:02.000Z' }))

    const after = new Outbox(storage, 'outbox:s1')

    expect(after.unanswered.map(({ id, text, create }) => [id, text, create])).toEqual([
      ['b', 'first', true],
      ['a', 'second', false],
    ])
  })

  test('forgets over a reload what the server has acknowledged', () => {
    const storage = aStorage()
    const before = new Outbox(storage, 'outbox:s1')
    before.add(anEntry())
    before.acknowledge('command-1', 'message-1')

    expect(new Outbox(storage, 'outbox:s1').entries).toEqual([])
  })

  test('shows an acknowledged message until the transcript does', () => {
    const outbox = new Outbox(aStorage(), 'outbox:s1')
    outbox.add(anEntry())
    outbox.acknowledge('command-1', 'message-1')
    outbox.seen(new Set(['message-0']))
    expect(outbox.entries).toHaveLength(1)

    outbox.seen(new Set(['message-0', 'message-1']))
    expect(outbox.entries).toEqual([])
  })

  test('keeps a refused message with its reason, over a reload too, and sends it no more', () => {
    const storage = aStorage()
    new Outbox(storage, 'outbox:s1').add(anEntry())
    new Outbox(storage, 'outbox:s1').refuse('command-1', 'The conversation has ended.')

    const after = new Outbox(storage, 'outbox:s1')
    expect(after.entries.map(({ refused }) => refused)).toEqual(['The conversation has ended.'])
    expect(after.unanswered).toEqual([])
  })

  test('takes a message that appears before its acknowledgement for the oldest one under way with that text', () => {
    const outbox = new Outbox(aStorage(), 'outbox:s1')
    outbox.add(anEntry({ id: 'first' }))
    outbox.add(anEntry({ id: 'second' }))

    outbox.appeared('message-1', 'run')

    expect(outbox.entries.map(({ messageId }) => messageId)).toEqual(['message-1', undefined])
  })

  test('of two tabs that write into one conversation neither loses a message', () => {
    const storage = aStorage()
    const [here, there] = [new Outbox(storage, 'outbox:s1'), new Outbox(storage, 'outbox:s1')]
    here.add(anEntry({ id: 'here', at: '2026-11-22T14:00:01.000Z' }))
    there.add(anEntry({ id: 'there', at: '2026-11-22T14:00:02.000Z' }))

    expect(new Outbox(storage, 'outbox:s1').entries.map(({ id }) => id)).toEqual(['here', 'there'])
  })

  test('keeps conversations apart and passes over what is not an entry', () => {
    const storage = aStorage()
    new Outbox(storage, 'outbox:s1').add(anEntry())
    storage.setItem('outbox:s2:broken', '{"id": 5}')
    storage.setItem('outbox:s2:half', '{"id": "x"')

    expect(new Outbox(storage, 'outbox:s2').entries).toEqual([])
  })

  test('works from memory where storage is forbidden', () => {
    const forbidden = () => {
      throw new DOMException('denied', 'SecurityError')
    }
    const outbox = new Outbox(
      { getItem: forbidden, setItem: forbidden, removeItem: forbidden, key: forbidden, length: 1 },
      'outbox:s1',
    )
    outbox.add(anEntry())
    expect(outbox.unanswered).toHaveLength(1)
    outbox.acknowledge('command-1', 'message-1')
    expect(outbox.unanswered).toEqual([])
  })
})
