/** The part of the contract suite (contract.ts) about streams that end for good, and such as keep only their last events. */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type EventStore,
  type ExpectedRevision,
  type RecordedEvent,
  type Revision,
  StoreClosed,
  StreamDeleted,
  WrongExpectedRevision,
} from '../../src/events/index.ts'
import { event, events, type Follower, follow, isIncreasing, typesOf } from './contract-support.ts'

/** `running` gives what the running case has; `reopen` closes the store and opens the log again, for one that does not forget. */
export function deletionContract(
  running: () => { readonly store: EventStore; readonly app: string; readonly stream: string },
  { reopen }: { readonly reopen: (() => Promise<void>) | undefined },
): void {
  const own = () => ({ prefixes: [`${running().app}.`] })
  const readApp = () => running().store.readAll({ ...own(), limit: 100_000 })

  /** That `stream` is gone for good, whoever asks. */
  async function expectGone(stream: string): Promise<void> {
    const { store } = running()
    expect(await store.readStream(stream)).toEqual([])
    expect(await store.readStream(stream, { from: 1n, limit: 1 })).toEqual([])
    expect(await store.readStream(stream, { direction: 'backwards' })).toEqual([])
    for (const expected of ['no-stream', 'any', 0n, 1n] satisfies ExpectedRevision[]) {
      const error = await store.append(stream, expected, [event('Late')]).catch((reason) => reason)
      expect(error).toBeInstanceOf(StreamDeleted)
      expect(error).toMatchObject({ code: 'stream-deleted', stream })
    }
    await store.capStream(stream, 1)
    expect(await store.readStream(stream)).toEqual([])
    for (const expected of ['no-stream', 0n, 7n] as const) await store.deleteStream(stream, expected)
  }

  describe('deleteStream', () => {
    it('ends a stream for good', async () => {
      const { store, stream } = running()
      await store.append(stream, 'no-stream', events(2))
      await store.deleteStream(stream, 1n)
      await expectGone(stream)
    })

    it("puts a tombstone where no stream was, with 'no-stream'", async () => {
      const { store, stream } = running()
      await store.deleteStream(stream, 'no-stream')
      await expectGone(stream)
    })

    it('ends a stream that is longer than any page', async () => {
      const { store, stream } = running()
      await store.append(stream, 'no-stream', events(1000))
      await store.append(stream, 999n, events(500))
      await store.deleteStream(stream, 1499n)
      await expectGone(stream)
    })

    it.each<{ expected: Revision | 'no-stream'; existing: number; actual: Revision | 'no-stream' }>([
      { expected: 0n, existing: 0, actual: 'no-stream' },
      { expected: 'no-stream', existing: 1, actual: 0n },
      { expected: 1n, existing: 3, actual: 2n },
      { expected: 3n, existing: 3, actual: 2n },
    ])('refuses $expected for a stream of $existing events, and leaves it as it is', async (example) => {
      const { store, stream } = running()
      if (example.existing > 0) await store.append(stream, 'no-stream', events(example.existing))
      const error = await store.deleteStream(stream, example.expected).catch((reason) => reason)
      expect(error).toBeInstanceOf(WrongExpectedRevision)
      expect(error).toMatchObject({ stream, expected: example.expected, actual: example.actual })
      expect(await store.readStream(stream)).toHaveLength(example.existing)
      await store.append(stream, 'any', [event('More')])
    })

    it('does not take what it deleted for an append again', async () => {
      const { store, stream } = running()
      const batch = events(2)
      await store.append(stream, 'no-stream', batch)
      await store.deleteStream(stream, 1n)
      await expect(store.append(stream, 'no-stream', batch)).rejects.toBeInstanceOf(StreamDeleted)
      await expect(store.append(stream, 'any', batch)).rejects.toBeInstanceOf(StreamDeleted)
    })

    it('lets an append or the deletion win, never both', async () => {
      const { store, app } = running()
      for (let i = 0; i < 10; i++) {
        const stream = `${app}.task-${i}`
        await store.append(stream, 'no-stream', [event('Base')])
        const append = () => store.append(stream, 0n, [event('More')]).catch((error) => error)
        const remove = () => store.deleteStream(stream, 0n).catch((error) => error)
        const [appended, deleted] =
          i % 2 === 0 ? await Promise.all([append(), remove()]) : (await Promise.all([remove(), append()])).toReversed()
        const left = await store.readStream(stream)
        if (deleted instanceof Error) {
          expect(deleted).toBeInstanceOf(WrongExpectedRevision)
          expect(appended).toMatchObject({ revision: 1n })
          expect(typesOf(left)).toEqual(['Base', 'More'])
        } else {
          expect(appended).toBeInstanceOf(StreamDeleted)
          expect(left).toEqual([])
        }
      }
    })

    it('leaves other streams, their positions and the head as they are', async () => {
      const { store, app } = running()
      for (let i = 0; i < 9; i++) await store.append(`${app}.task-${i % 3}`, 'any', events(2))
      const before = await readApp()
      const head = await store.head()
      await store.deleteStream(`${app}.task-1`, 5n)
      await store.deleteStream(`${app}.task-2`, 5n)
      expect(await remaining(`${app}.task-0`)).toEqual(before.filter(({ stream }) => stream === `${app}.task-0`))
      expect(await store.readStream(`${app}.task-0`)).toHaveLength(6)
      expect(await store.head()).toBeGreaterThanOrEqual(head)
      const next = await store.append(`${app}.task-3`, 'no-stream', [event('Next')])
      expect(next.position > head).toBe(true)
      expect(await store.head()).toBeGreaterThanOrEqual(next.position)
    })

    it('lets a subscriber reach the head, past and live, whatever is left before it', async () => {
      const { store, app } = running()
      const live = follow(store, { from: 'now', ...own() })
      await live.caughtUp()
      for (let i = 0; i < 3; i++) await store.append(`${app}.task-${i}`, 'no-stream', events(400))
      const head = await store.head()
      await store.deleteStream(`${app}.task-1`, 399n)
      await store.deleteStream(`${app}.task-2`, 399n)
      const late = follow(store, own())
      expect(await late.caughtUp()).toBeGreaterThanOrEqual(head)
      await store.append(`${app}.task-3`, 'no-stream', [event('Next')])
      for (const seen of [live, late]) {
        const received = await seen.until('Next')
        expect(isIncreasing(received)).toBe(true)
        expect(received.filter(({ stream }) => stream === `${app}.task-0`)).toHaveLength(400)
        await seen.close()
      }
    })

    it('breaks no subscription and no order, whenever streams are deleted while others write', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.record({ size: fc.integer({ min: 1, max: 30 }), deleted: fc.boolean() }), {
            minLength: 2,
            maxLength: 25,
          }),
          fc.nat({ max: 24 }),
          async (written, start) => {
            const { store, app } = running()
            const mine = `${app}.run-${randomUUID()}`
            const prefixes = [mine]
            const followers: Follower[] = []
            for (const [i, { size, deleted }] of written.entries()) {
              if (i === start) followers.push(follow(store, { prefixes }))
              const appended = store.append(`${mine}-${i}`, 'no-stream', events(size))
              if (deleted) await appended.then(() => store.deleteStream(`${mine}-${i}`, BigInt(size - 1)))
              else if (i % 3 === 0) await appended
              else appended.catch(() => {})
            }
            followers.push(follow(store, { prefixes }))
            await store.append(`${mine}-end`, 'no-stream', [event('End')])
            const kept = new Set(written.flatMap(({ deleted }, i) => (deleted ? [] : [`${mine}-${i}`])))
            const all = (await store.readAll({ prefixes, limit: 10_000 })).filter(({ stream }) => kept.has(stream))
            for (const follower of followers) {
              const received = await follower.until('End')
              expect(isIncreasing(received)).toBe(true)
              expect(received.filter(({ stream }) => kept.has(stream))).toEqual(all)
              expect(follower.drops).toEqual([])
              await follower.close()
            }
          },
        ),
        { numRuns: 10 },
      )
    }, 60_000)

    it('refuses an empty name, a negative revision, and a store that is closed', async () => {
      const { store, stream } = running()
      await expect(store.deleteStream('', 'no-stream')).rejects.toThrow(TypeError)
      await expect(store.deleteStream(stream, -1n)).rejects.toThrow(TypeError)
      await store.close()
      await expect(store.deleteStream(stream, 'no-stream')).rejects.toBeInstanceOf(StoreClosed)
      await expect(store.capStream(stream, 1)).rejects.toBeInstanceOf(StoreClosed)
    })

    if (!reopen) return
    it('is known after the next open, and no position is used again', async () => {
      const { app } = running()
      const first = await running().store.append(`${app}.task-1`, 'no-stream', events(2))
      const { position } = await running().store.append(`${app}.task-2`, 'no-stream', events(3))
      await running().store.deleteStream(`${app}.task-2`, 2n)
      await running().store.deleteStream(`${app}.task-3`, 'no-stream')
      await reopen()
      await expectGone(`${app}.task-2`)
      await expectGone(`${app}.task-3`)
      const { store } = running()
      expect(await store.head()).toBeGreaterThanOrEqual(position)
      expect((await store.readStream(`${app}.task-1`)).at(-1)?.position).toBe(first.position)
      const next = await store.append(`${app}.task-4`, 'no-stream', [event('Next')])
      expect(next.position > position).toBe(true)
    })
  })

  describe('capStream', () => {
    const revisionsOf = (list: readonly RecordedEvent[]) => list.map(({ revision }) => revision)

    it('keeps the last events of a stream, now and later', async () => {
      const { store, stream } = running()
      await store.append(stream, 'no-stream', events(5))
      await store.capStream(stream, 3)
      expect(revisionsOf(await store.readStream(stream))).toEqual([2n, 3n, 4n])
      await store.append(stream, 4n, events(2))
      expect(revisionsOf(await store.readStream(stream))).toEqual([4n, 5n, 6n])
      await store.append(stream, 'any', events(7))
      expect(revisionsOf(await store.readStream(stream))).toEqual([11n, 12n, 13n])
    })

    it('reads what is left of it, both ways', async () => {
      const { store, stream } = running()
      await store.append(stream, 'no-stream', events(5))
      await store.capStream(stream, 3)
      const read = async (options: Parameters<EventStore['readStream']>[1]) =>
        revisionsOf(await store.readStream(stream, options))
      expect(await read({ from: 1n, limit: 2 })).toEqual([2n, 3n])
      expect(await read({ from: 3n })).toEqual([3n, 4n])
      expect(await read({ direction: 'backwards' })).toEqual([4n, 3n, 2n])
      expect(await read({ direction: 'backwards', limit: 1 })).toEqual([4n])
      expect(await read({ direction: 'backwards', from: 3n })).toEqual([3n, 2n])
    })

    it('lets the last call count, and a stream be capped before it is there', async () => {
      const { store, stream } = running()
      await store.capStream(stream, 5)
      await store.capStream(stream, 2)
      expect(await store.readStream(stream)).toEqual([])
      expect(await store.append(stream, 'no-stream', events(4))).toMatchObject({ revision: 3n })
      expect(revisionsOf(await store.readStream(stream))).toEqual([2n, 3n])
    })

    it('leaves other streams and the head as they are', async () => {
      const { store, app, stream } = running()
      await store.append(`${app}.node-1`, 'no-stream', events(3))
      await store.append(stream, 'no-stream', events(3))
      const { position } = await store.append(`${app}.node-1`, 2n, events(3))
      await store.capStream(`${app}.node-1`, 1)
      expect(await store.readStream(stream)).toHaveLength(3)
      expect(await store.head()).toBeGreaterThanOrEqual(position)
      expect((await store.readStream(`${app}.node-1`)).at(-1)?.position).toBe(position)
      expect((await readApp()).filter((one) => one.stream === stream)).toHaveLength(3)
    })

    it('does not keep a stream from being deleted', async () => {
      const { store, stream } = running()
      await store.append(stream, 'no-stream', events(5))
      await store.capStream(stream, 2)
      await expect(store.deleteStream(stream, 1n)).rejects.toBeInstanceOf(WrongExpectedRevision)
      await store.deleteStream(stream, 4n)
      await expectGone(stream)
    })

    it.each([0, -1, 1.5, Number.NaN])('refuses to keep %d events', async (maxCount) => {
      const { store, stream } = running()
      await expect(store.capStream(stream, maxCount)).rejects.toThrow(TypeError)
    })

    if (!reopen) return
    it('holds after the next open', async () => {
      const { stream } = running()
      await running().store.append(stream, 'no-stream', events(5))
      await running().store.capStream(stream, 2)
      await reopen()
      expect(revisionsOf(await running().store.readStream(stream))).toEqual([3n, 4n])
      await running().store.append(stream, 4n, events(1))
      expect(revisionsOf(await running().store.readStream(stream))).toEqual([4n, 5n])
    })
  })

  /** The events of a stream in the whole log. */
  async function remaining(stream: string): Promise<readonly RecordedEvent[]> {
    return (await readApp()).filter((one) => one.stream === stream)
  }
}
