/**
 * What every EventStore must do, as a suite that an adapter's test file runs unchanged:
 *
 *     eventStoreContract('sqlite', async () => ({ store, reopen, dispose }))
 *     eventStoreContract('memory', async () => ({ store }), { forgets: true })
 *
 * Nothing here needs an empty log: each case uses streams of an app of its own.
 */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type EventStore,
  EventTooLarge,
  type JsonObject,
  MAX_EVENT_BYTES,
  type Position,
  type RecordedEvent,
  type Revision,
  START,
  StoreClosed,
  WrongExpectedRevision,
} from '../../src/events/index.ts'
import { deletionContract } from './contract-deletion.ts'
import { event, events, type Follower, follow, isIncreasing, typesOf } from './contract-support.ts'

export interface ContractSubject {
  readonly store: EventStore
  /** Opens the same log again after the store was closed; a store that `forgets` has none. */
  readonly reopen?: () => Promise<EventStore>
  /** Removes what the store leaves behind; called when every store of the log is closed. */
  readonly dispose?: () => Promise<void>
}

export function eventStoreContract(name: string, open: () => Promise<ContractSubject>, { forgets = false } = {}): void {
  describe(`the event store contract: ${name}`, () => {
    let subject: ContractSubject
    let store: EventStore
    let app: string
    let stream: string

    beforeEach(async () => {
      subject = await open()
      store = subject.store
      app = `c${randomUUID()}`
      stream = `${app}.task-1`
    })

    afterEach(async () => {
      await store.close()
      await subject.dispose?.()
    })

    const own = () => ({ prefixes: [`${app}.`] })
    const readApp = () => store.readAll({ ...own(), limit: 100_000 })

    describe('append', () => {
      it('starts a stream at revision 0 and counts on', async () => {
        const first = await store.append(stream, 'no-stream', [event('A')])
        const second = await store.append(stream, 0n, [event('B'), event('C')])
        expect(first.revision).toBe(0n)
        expect(second.revision).toBe(2n)
        expect(second.position > first.position).toBe(true)
        expect(typesOf(await store.readStream(stream))).toEqual(['A', 'B', 'C'])
      })

      it('reports the position of its last event', async () => {
        const { position } = await store.append(stream, 'no-stream', [event('A'), event('B')])
        expect((await store.readStream(stream)).at(-1)?.position).toBe(position)
        expect((await store.head()) >= position).toBe(true)
      })

      it('appends with any to a new and to an existing stream', async () => {
        expect((await store.append(stream, 'any', [event('A')])).revision).toBe(0n)
        expect((await store.append(stream, 'any', [event('B')])).revision).toBe(1n)
      })

      it.each<{ expected: Revision | 'no-stream'; existing: number; actual: Revision | 'no-stream' }>([
        { expected: 0n, existing: 0, actual: 'no-stream' },
        { expected: 'no-stream', existing: 1, actual: 0n },
        { expected: 0n, existing: 3, actual: 2n },
        { expected: 7n, existing: 3, actual: 2n },
      ])('refuses $expected for a stream of $existing events, and says where it is', async (example) => {
        if (example.existing > 0) await store.append(stream, 'no-stream', events(example.existing))
        const error = await store.append(stream, example.expected, [event('Late')]).catch((reason) => reason)
        expect(error).toBeInstanceOf(WrongExpectedRevision)
        expect(error).toMatchObject({ stream, expected: example.expected, actual: example.actual })
        expect(await store.readStream(stream)).toHaveLength(example.existing)
      })

      it('lets one of many concurrent appends at a revision win', async () => {
        await store.append(stream, 'no-stream', [event('Base')])
        const attempts = Array.from({ length: 20 }, (_, i) => store.append(stream, 0n, [event(`Try${i}`)]))
        const outcomes = await Promise.allSettled(attempts)
        const lost = outcomes.filter((outcome) => outcome.status === 'rejected')
        expect(lost).toHaveLength(19)
        for (const { reason } of lost) expect(reason).toBeInstanceOf(WrongExpectedRevision)
        expect(await store.readStream(stream)).toHaveLength(2)
      })

      it('keeps the appends beside one that fails', async () => {
        const outcomes = await Promise.allSettled([
          store.append(`${app}.task-a`, 'no-stream', [event('A')]),
          store.append(`${app}.task-b`, 3n, [event('B')]),
          store.append(`${app}.task-c`, 'no-stream', [event('C')]),
        ])
        expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
        expect(typesOf(await readApp()).sort()).toEqual(['A', 'C'])
      })

      it('refuses an append of nothing, an empty name and a negative revision', async () => {
        await expect(store.append(stream, 'no-stream', [])).rejects.toThrow(TypeError)
        await expect(store.append('', 'no-stream', [event('A')])).rejects.toThrow(TypeError)
        await expect(store.append(stream, -1n, [event('A')])).rejects.toThrow(TypeError)
      })
    })

    describe('the same append again', () => {
      it.each<'no-stream' | 'any'>(['no-stream', 'any'])('has the first result (%s)', async (expected) => {
        const batch = events(3)
        const first = await store.append(stream, expected, batch)
        expect(await store.append(stream, expected, batch)).toEqual(first)
        expect(await store.readStream(stream)).toHaveLength(3)
      })

      it('has the first result after later appends', async () => {
        const batch = events(2)
        await store.append(stream, 'no-stream', [event('Base')])
        const first = await store.append(stream, 0n, batch)
        await store.append(stream, first.revision, events(5))
        expect(await store.append(stream, 0n, batch)).toEqual(first)
        expect(await store.readStream(stream)).toHaveLength(8)
      })

      it('has one result when both are under way together', async () => {
        const batch = events(2)
        const [first, second] = await Promise.all([
          store.append(stream, 'no-stream', batch),
          store.append(stream, 'no-stream', batch),
        ])
        expect(second).toEqual(first)
        expect(await store.readStream(stream)).toHaveLength(2)
      })

      it('is a success for the first events of a batch', async () => {
        const [a, b, c] = [event('A'), event('B'), event('C')]
        await store.append(stream, 'no-stream', [a, b, c])
        const again = await store.append(stream, 'no-stream', [a, b])
        expect(again.revision).toBe(1n)
        expect(again.position).toBe((await store.readStream(stream))[1]?.position)
      })

      it('is a conflict when it brings one more event', async () => {
        const [a, b] = [event('A'), event('B')]
        await store.append(stream, 'no-stream', [a])
        await expect(store.append(stream, 'no-stream', [a, b])).rejects.toBeInstanceOf(WrongExpectedRevision)
        expect(typesOf(await store.readStream(stream))).toEqual(['A'])
      })

      it('is a conflict with other ids', async () => {
        await store.append(stream, 'no-stream', [event('A')])
        await expect(store.append(stream, 'no-stream', [event('A')])).rejects.toBeInstanceOf(WrongExpectedRevision)
      })

      it('reaches subscribers once', async () => {
        const batch = events(2)
        const seen = follow(store, { from: 'now', ...own() })
        await store.append(stream, 'no-stream', batch)
        await store.append(stream, 'no-stream', batch)
        await store.append(stream, 1n, [event('End')])
        expect(typesOf(await seen.until('End'))).toEqual(['E0', 'E1', 'End'])
        await seen.close()
      })
    })

    describe('read', () => {
      it('gives nothing for a stream that is not there', async () => {
        expect(await store.readStream(`${app}.task-none`)).toEqual([])
        expect(await store.readStream(`${app}.task-none`, { direction: 'backwards' })).toEqual([])
      })

      it.each<{ options: Parameters<EventStore['readStream']>[1]; expected: string[] }>([
        { options: {}, expected: ['E0', 'E1', 'E2', 'E3', 'E4'] },
        { options: { from: 3n }, expected: ['E3', 'E4'] },
        { options: { from: 1n, limit: 2 }, expected: ['E1', 'E2'] },
        { options: { limit: 0 }, expected: [] },
        { options: { from: 9n }, expected: [] },
        { options: { direction: 'backwards' }, expected: ['E4', 'E3', 'E2', 'E1', 'E0'] },
        { options: { direction: 'backwards', limit: 1 }, expected: ['E4'] },
        { options: { direction: 'backwards', from: 2n }, expected: ['E2', 'E1', 'E0'] },
        { options: { direction: 'backwards', from: 2n, limit: 2 }, expected: ['E2', 'E1'] },
        { options: { direction: 'backwards', from: 9n }, expected: ['E4', 'E3', 'E2', 'E1', 'E0'] },
      ])('reads a stream with $options', async ({ options, expected }) => {
        await store.append(stream, 'no-stream', events(5))
        expect(typesOf(await store.readStream(stream, options))).toEqual(expected)
      })

      it('reads a stream longer than any page, both ways', async () => {
        await store.append(stream, 'no-stream', events(1000))
        await store.append(stream, 999n, events(500))
        const forwards = await store.readStream(stream)
        expect(forwards.map((one) => one.revision)).toEqual(Array.from({ length: 1500 }, (_, i) => BigInt(i)))
        expect(await store.readStream(stream, { direction: 'backwards' })).toEqual(forwards.toReversed())
      })

      it('has all streams in one order, the order of their appends', async () => {
        for (let i = 0; i < 6; i++) await store.append(`${app}.task-${i % 2}`, 'any', [event(`E${i}`)])
        const all = await readApp()
        expect(typesOf(all)).toEqual(['E0', 'E1', 'E2', 'E3', 'E4', 'E5'])
        expect(isIncreasing(all)).toBe(true)
      })

      it('pages through the log without gap or repeat', async () => {
        for (let i = 0; i < 5; i++) await store.append(`${app}.task-${i}`, 'no-stream', events(5))
        const paged: RecordedEvent[] = []
        for (let from: Position = START; ; ) {
          const page = await store.readAll({ from, ...own(), limit: 7 })
          expect(page.length).toBeLessThanOrEqual(7)
          const last = page.at(-1)
          if (!last) break
          paged.push(...page)
          from = last.position
        }
        expect(paged).toEqual(await readApp())
        expect(paged).toHaveLength(25)
      })

      it('selects streams by the beginning of their name', async () => {
        const names = [`${app}.task-1`, `${app}.task-\u{10ffff}`, `${app}.lock-1`, `${app}.tas`, `${app}x.task-1`]
        for (const one of names) await store.append(one, 'no-stream', [event('A')])
        const read = async (...prefixes: string[]) => (await store.readAll({ prefixes })).map((one) => one.stream)
        expect(await read(`${app}.task-`)).toEqual([`${app}.task-1`, `${app}.task-\u{10ffff}`])
        expect(await read(`${app}.lock-`, `${app}x.`)).toEqual([`${app}.lock-1`, `${app}x.task-1`])
        expect(await read(`${app}.none-`)).toEqual([])
        expect(await read(`${app}.task-\u{10ffff}`)).toEqual([`${app}.task-\u{10ffff}`])
        expect(await read()).toEqual([])
      })

      it('gives all of the envelope back', async () => {
        const before = Date.now()
        const sent = event('A', { a: 1 })
        const { revision, position } = await store.append(stream, 'no-stream', [sent])
        const [read] = await store.readStream(stream)
        expect(read).toEqual({ ...sent, stream, revision, position, recordedAt: expect.any(Number) })
        expect(Math.abs((read?.recordedAt ?? 0) - before)).toBeLessThan(60_000)
      })
    })

    describe('JSON', () => {
      const nested = (depth: number): JsonObject => (depth === 0 ? {} : { in: nested(depth - 1) })

      it.each<[string, JsonObject]>([
        ['nothing', {}],
        ['empty members', { object: {}, array: [], text: '', nothing: null, arrays: [[], [{}]] }],
        ['unicode', { text: 'žluťoučký 🦄 \u0000\u001f\u2028\u2029 \ufeff', 'kľúč 🗝': 1 }],
        ['half a surrogate pair', { text: '\ud83d', other: '\udc00x' }],
        ['what looks like an escape', { text: '\\u0000 \\" \\\\', path: 'C:\\new' }],
        [
          'large numbers',
          { max: Number.MAX_SAFE_INTEGER, tiny: 5e-324, huge: 1.7976931348623157e308, text: '9'.repeat(40) },
        ],
        ['keys of Object.prototype', JSON.parse('{"__proto__":{"a":1},"constructor":2,"toString":"x"}')],
        ['keys that look like numbers', { 10: 'b', 9: 'a', '-1': 'c', '01': 'd' }],
        ['deep nesting', nested(200)],
      ])('keeps %s, read and live', async (_, data) => {
        const seen = follow(store, { from: 'now', ...own() })
        await store.append(stream, 'no-stream', [event('A', data)])
        const live = (await seen.until('A'))[0]
        const [read] = await store.readStream(stream)
        expect(read?.data).toStrictEqual(data)
        expect(live).toStrictEqual(read)
        await seen.close()
      })

      it('delivers what a read would, also for what JSON cannot say', async () => {
        const seen = follow(store, { from: 'now', ...own() })
        await store.append(stream, 'no-stream', [event('A', { gone: undefined, nan: Number.NaN, zero: -0, list: [1] })])
        const live = (await seen.until('A'))[0]
        const [read] = await store.readStream(stream)
        expect(live).toStrictEqual(read)
        expect(read?.data).toStrictEqual({ nan: null, zero: 0, list: [1] })
        await seen.close()
      })

      it.each([
        ['one-byte', 'a', 1],
        ['three-byte', '€', 3],
      ])('takes %s text to the limit and not one byte more', async (_, character, size) => {
        const room = MAX_EVENT_BYTES - '{"text":""}'.length
        const fill = (bytes: number) => character.repeat(Math.floor(bytes / size)) + 'x'.repeat(bytes % size)
        await store.append(stream, 'no-stream', [event('Full', { text: fill(room) })])
        const error = await store
          .append(stream, 0n, [event('Over', { text: fill(room + 1) })])
          .catch((reason) => reason)
        expect(error).toBeInstanceOf(EventTooLarge)
        expect(error).toMatchObject({ stream, type: 'Over', bytes: MAX_EVENT_BYTES + 1, limit: MAX_EVENT_BYTES })
        expect(typesOf(await store.readStream(stream))).toEqual(['Full'])
      })
    })

    describe('subscribe', () => {
      it('from the start: the past, caught up, then what comes', async () => {
        await store.append(stream, 'no-stream', events(3))
        const seen = follow(store, own())
        await seen.caughtUp()
        expect(typesOf(seen.events)).toEqual(['E0', 'E1', 'E2'])
        await store.append(stream, 2n, [event('Live')])
        expect(typesOf(await seen.until('Live'))).toEqual(['E0', 'E1', 'E2', 'Live'])
        expect(seen.events).toEqual(await store.readStream(stream))
        await seen.close()
      })

      it('from a position: only what is after it', async () => {
        await store.append(stream, 'no-stream', events(3))
        const second = (await store.readStream(stream))[1]
        const seen = follow(store, { from: second?.position ?? START, ...own() })
        await store.append(stream, 2n, [event('Live')])
        expect(typesOf(await seen.until('Live'))).toEqual(['E2', 'Live'])
        await seen.close()
      })

      it('from now: nothing of the past', async () => {
        await store.append(stream, 'no-stream', events(3))
        const seen = follow(store, { from: 'now', ...own() })
        await seen.caughtUp()
        await store.append(stream, 2n, [event('Live')])
        expect(typesOf(await seen.until('Live'))).toEqual(['Live'])
        await seen.close()
      })

      it('hears only the prefixes it asked for, past and live', async () => {
        const write = async (tag: string) => {
          for (const kind of ['task', 'lock', 'node'])
            await store.append(`${app}.${kind}-1`, 'any', [event(kind + tag)])
        }
        await write('Past')
        const seen = follow(store, { prefixes: [`${app}.task-`, `${app}.node-`] })
        await seen.caughtUp()
        await write('Live')
        expect(typesOf(await seen.until('nodeLive'))).toEqual(['taskPast', 'nodePast', 'taskLive', 'nodeLive'])
        await seen.close()
      })

      it('says once that it has caught up, also with nothing to catch up', async () => {
        const seen = follow(store, own())
        await seen.caughtUp()
        await store.append(stream, 'no-stream', [event('A')])
        await seen.until('A')
        expect(seen.timesCaughtUp()).toBe(1)
        await seen.close()
      })

      it('hears nothing after close', async () => {
        const closed = follow(store, own())
        const open = follow(store, own())
        await Promise.all([closed.caughtUp(), open.caughtUp()])
        await closed.close()
        await store.append(stream, 'no-stream', [event('A')])
        await open.until('A')
        expect(closed.events).toEqual([])
        expect(closed.drops).toEqual([])
        await open.close()
      })

      it('may be closed by its own subscriber', async () => {
        const received: string[] = []
        const subscription = store.subscribe(own(), {
          async events(batch) {
            received.push(...typesOf(batch))
            await subscription.close()
          },
        })
        const other = follow(store, own())
        await store.append(stream, 'no-stream', [event('A')])
        await other.until('A')
        await store.append(stream, 0n, [event('B')])
        await other.until('B')
        expect(received).toEqual(['A'])
        await other.close()
      })

      it('hands over one batch at a time', async () => {
        let running = 0
        let most = 0
        const seen = follow(store, own(), async () => {
          most = Math.max(most, ++running)
          await new Promise(setImmediate)
          running--
        })
        for (let i = 0; i < 20; i++) await store.append(stream, 'any', [event(`E${i}`)])
        await seen.until('E19')
        expect(most).toBe(1)
        await seen.close()
      })

      it('drops a subscriber that throws, with its error, and no other', async () => {
        const failure = new Error('cannot')
        const failing = follow(store, own(), () => {
          throw failure
        })
        const sound = follow(store, own())
        await store.append(stream, 'no-stream', [event('A')])
        await sound.until('A')
        expect(await failing.dropped()).toBe(failure)
        await store.append(stream, 0n, [event('B')])
        await sound.until('B')
        expect(typesOf(failing.events)).toEqual(['A'])
        expect(failing.drops).toHaveLength(1)
        await sound.close()
      })

      it('misses and repeats nothing for a subscriber that stands still while much is written', async () => {
        const gate = Promise.withResolvers<void>()
        const slow = follow(store, own(), () => gate.promise)
        await slow.caughtUp()
        await store.append(stream, 'no-stream', [event('First')])
        for (let i = 0; i < 60; i++) await store.append(`${app}.task-b${i}`, 'no-stream', events(100))
        await store.append(stream, 0n, [event('Last')])
        gate.resolve()
        const received = await slow.until('Last')
        expect(received).toEqual(await readApp())
        expect(received).toHaveLength(6002)
        await slow.close()
      }, 30_000)

      it('misses and repeats nothing, whenever it begins while others write', async () => {
        await fc.assert(
          fc.asyncProperty(
            fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 30 }),
            fc.array(fc.nat({ max: 29 }), { minLength: 1, maxLength: 4 }),
            async (sizes, starts) => {
              const mine = `${app}.run-${randomUUID()}`
              const prefixes = [mine]
              const followers: Follower[] = []
              const appends: Promise<unknown>[] = []
              for (const [i, size] of sizes.entries()) {
                for (const start of starts) {
                  if (start === i) followers.push(follow(store, { prefixes }))
                }
                appends.push(store.append(`${mine}-${i % 3}`, 'any', events(size)))
                if (i % 4 === 0) await new Promise(setImmediate)
              }
              await Promise.all(appends)
              followers.push(follow(store, { prefixes }))
              await store.append(`${mine}-end`, 'no-stream', [event('End')])
              const written = await store.readAll({ prefixes, limit: 10_000 })
              for (const follower of followers) {
                expect(await follower.until('End')).toEqual(written)
                await follower.close()
              }
            },
          ),
          { numRuns: 15 },
        )
      }, 60_000)
    })

    deletionContract(() => ({ store, app, stream }), {
      reopen: forgets
        ? undefined
        : async () => {
            if (!subject.reopen) throw new Error('A store that does not forget must be able to reopen')
            await store.close()
            store = await subject.reopen()
          },
    })

    describe('close', () => {
      it('finishes what it accepted and refuses what comes after', async () => {
        const accepted = Array.from({ length: 50 }, (_, i) => store.append(`${app}.task-${i}`, 'no-stream', events(2)))
        const closing = store.close()
        const late = store.append(stream, 'any', [event('Late')])
        await expect(late).rejects.toBeInstanceOf(StoreClosed)
        await closing
        expect(await Promise.all(accepted)).toHaveLength(50)
        await expect(store.readStream(stream)).rejects.toBeInstanceOf(StoreClosed)
        await expect(store.readAll()).rejects.toBeInstanceOf(StoreClosed)
        await expect(store.head()).rejects.toBeInstanceOf(StoreClosed)
        expect(() => store.subscribe({}, { events() {} })).toThrow(StoreClosed)
        await store.close()
      })

      it('ends subscriptions', async () => {
        const seen = follow(store, own())
        await seen.caughtUp()
        await store.close()
        expect(await seen.dropped()).toBeInstanceOf(StoreClosed)
      })

      if (forgets) return
      it('keeps everything for the next open', async () => {
        if (!subject.reopen) throw new Error('A store that does not forget must be able to reopen')
        const batch = events(3)
        const first = await store.append(stream, 'no-stream', batch)
        const before = await store.readStream(stream)
        await store.close()
        store = await subject.reopen()
        expect(await store.readStream(stream)).toEqual(before)
        expect((await store.head()) >= first.position).toBe(true)
        expect(await store.append(stream, 'no-stream', batch)).toEqual(first)
        const next = await store.append(stream, 2n, [event('Next')])
        expect(next.revision).toBe(3n)
        expect(next.position > first.position).toBe(true)
      })
    })
  })
}
