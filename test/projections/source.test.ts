/** The log of a cluster as the thread of the read models reads it: a subscription, in pages. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { settled } from '../../src/actors/index.ts'
import { type EventStore, openMemoryStore, type Position, START, type Subscriber } from '../../src/events/index.ts'
import { StoreSource } from '../../src/projections/worker/source.ts'
import { append, submitted } from './support.ts'

/** A source over a log in memory whose subscription a test can end; pauses of the source last until `resume()`. */
function open() {
  const log = openMemoryStore()
  const errors: Error[] = []
  const paused: (() => void)[] = []
  let subscriber: Subscriber | undefined
  const store: EventStore = {
    append: (...of) => log.append(...of),
    readStream: (...of) => log.readStream(...of),
    readAll: (...of) => log.readAll(...of),
    head: () => log.head(),
    deleteStream: (...of) => log.deleteStream(...of),
    capStream: (...of) => log.capStream(...of),
    close: () => log.close(),
    subscribe(options, given) {
      subscriber = given
      return log.subscribe(options, given)
    },
  }
  const clock = {
    monotonic: () => 0,
    after(_: number, run: () => void) {
      paused.push(run)
      return () => {}
    },
  }
  const source = new StoreSource({ store, clock, onError: (error) => errors.push(error) })
  onTestFinished(() => source.close())
  return {
    log,
    source,
    errors,
    drop: () => subscriber?.dropped?.(new Error('the connection is gone')),
    resume: () => {
      for (const run of paused.splice(0)) run()
    },
  }
}

const keys = (events: readonly { readonly stream: string }[]) => events.map(({ stream }) => stream.split('-')[1])

describe('StoreSource', () => {
  test('gives pages of what has come, the same ones when asked again', async () => {
    const { log, source } = open()
    for (const key of ['a', 'b', 'c']) await append(log, 'task', key, [submitted()])
    expect(source.read(START, 2)).toMatchObject({ events: [], isLast: false })
    await settled()
    const first = source.read(START, 2)
    expect(keys(first.events)).toEqual(['a', 'b'])
    expect(first.isLast).toBe(false)
    expect(source.read(START, 2)).toEqual(first)
    const next = source.read(first.events.at(-1)?.position ?? START, 2)
    expect(keys(next.events)).toEqual(['c'])
    expect(next.isLast).toBe(true)
  })

  test('wakes who waits for more', async () => {
    const { log, source } = open()
    source.read(START, 10)
    await settled()
    let woken = false
    const waiting = source.waitForMore(START, 1000).then(() => {
      woken = true
    })
    await settled()
    expect(woken).toBe(false)
    await append(log, 'task', 'a', [submitted()])
    await waiting
    expect(keys(source.read(START, 10).events)).toEqual(['a'])
  })

  test('subscribes again after a drop, from what was taken in: nothing is missing, nothing comes twice', async () => {
    const { log, source, errors, drop, resume } = open()
    for (const key of ['a', 'b']) await append(log, 'task', key, [submitted()])
    source.read(START, 10)
    await settled()
    const [a] = source.read(START, 1).events
    const after = a?.position ?? START
    source.read(after, 0)
    drop()
    await append(log, 'task', 'c', [submitted()])
    expect(errors.map(({ message }) => message)).toEqual(['the connection is gone'])
    resume()
    await settled()
    expect(keys(source.read(after, 10).events)).toEqual(['b', 'c'])
  })

  test('begins again when the read models were', async () => {
    const { log, source } = open()
    let last = START
    for (const key of ['a', 'b']) last = await append(log, 'task', key, [submitted()])
    source.read(START, 10)
    await settled()
    expect(source.read(last, 10).events).toEqual([])
    source.read(START, 10)
    await settled()
    expect(keys(source.read(START, 10).events)).toEqual(['a', 'b'])
  })

  test('holds the log back while nobody reads', async () => {
    const { log, source } = open()
    const all = 6_000
    for (let key = 0; key < all; key++) await append(log, 'task', `${key}`, [submitted()])
    source.read(START, 1)
    await settled()
    const held = source.read(START, all).events
    expect(held.length).toBeLessThan(all)
    let after: Position = START
    const seen: (string | undefined)[] = []
    while (seen.length < all) {
      const { events } = source.read(after, 1_000)
      seen.push(...keys(events))
      after = events.at(-1)?.position ?? after
      await settled()
    }
    expect(seen).toEqual(Array.from({ length: all }, (_, key) => `${key}`))
  })
})
