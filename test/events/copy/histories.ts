/** Histories for tests of copies: several streams by turns, every event sealed, with the JSON that is easily changed. */
import { randomUUID } from 'node:crypto'
import {
  type EventData,
  type EventStore,
  GENESIS,
  type JsonObject,
  type RecordedEvent,
  seal,
} from '../../../src/events/index.ts'

/** What a careless copy would write otherwise: order of keys, numbers, halves of characters. */
export const AWKWARD: readonly JsonObject[] = [
  { b: 1, a: 2, 10: 'ten', 9: 'nine' },
  { big: 1e21, small: 1e-7, zero: -0, exact: 0.1 + 0.2, max: Number.MAX_SAFE_INTEGER },
  { half: '\ud800', pair: '😀', control: '\u0000\u2028', quote: '"\\/' },
  JSON.parse('{"__proto__": {"x": 1}, "constructor": null}'),
  { nothing: null, empty: {}, list: [[], [null], ''] },
]

export class Writer {
  readonly #store: EventStore
  readonly #tails = new Map<string, { readonly next: bigint; readonly hash: string }>()

  constructor(store: EventStore) {
    this.#store = store
  }

  /** One append of these events to the end of the stream. */
  async append(stream: string, ...events: readonly { readonly type?: string; readonly data?: JsonObject }[]) {
    let { next, hash } = this.#tails.get(stream) ?? { next: 0n, hash: GENESIS }
    const expected = next === 0n ? 'no-stream' : next - 1n
    const sealed: EventData[] = []
    for (const { type = 'Noted', data = {} } of events) {
      const one = seal(stream, next, hash, { id: randomUUID(), type, data, metadata: metadata(`${stream}-${next}`) })
      hash = one.metadata.hash
      next++
      sealed.push(one)
    }
    await this.#store.append(stream, expected, sealed)
    this.#tails.set(stream, { next, hash })
  }

  /** A sign of life, which has no hash and is not copied. */
  async sign(stream: string, type = 'NodeSeen') {
    await this.#store.append(stream, 'any', [{ id: randomUUID(), type, data: {}, metadata: metadata('n') }])
  }
}

function metadata(causationId: string) {
  return { at: '2025-01-01T00:00:00.000Z', by: 'user:ä' as const, correlationId: 'c', causationId, v: 1 }
}

/** Three streams of `demo` by turns, beside another app and a node's signs of life. */
export async function writeHistory(store: EventStore, rounds = 3): Promise<void> {
  const writer = new Writer(store)
  await writer.sign('demo.node-1', 'NodeStarted')
  for (let round = 0; round < rounds; round++) {
    for (const [i, data] of AWKWARD.entries()) {
      await writer.append(`demo.task-${i % 3}`, { data }, { data: { round } })
      if (i === 2) await writer.sign('demo.node-1')
    }
    await writer.append('other.task-1', { data: { round } })
    // Neighbours in the log that were two appends: one is enough for the copy.
    await writer.append('demo.session-1', { type: 'A' })
    await writer.append('demo.session-1', { type: 'B' })
  }
}

/** What of an event a copy must have. */
export function facts({ id, stream, revision, type, data, metadata }: RecordedEvent) {
  return { id, stream, revision, type, data: JSON.stringify(data), metadata: JSON.stringify(metadata) }
}

export async function historyOf(store: EventStore, app = 'demo') {
  const events = await store.readAll({ prefixes: [`${app}.`], limit: 1_000_000 })
  return events.filter(({ stream }) => !stream.startsWith(`${app}.node-`)).map(facts)
}
