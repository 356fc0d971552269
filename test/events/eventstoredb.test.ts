/** What only the cluster's store promises: what a server or a wire does wrong loses nothing, doubles nothing and ends. */
import { randomUUID } from 'node:crypto'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  type AppendResult,
  type EventData,
  type EventStore,
  type EventStoreDBOptions,
  EventTooLarge,
  type ExpectedRevision,
  openEventStoreDB,
  type Position,
  type RecordedEvent,
  START,
  StoreClosed,
  StoreUnavailable,
  StreamDeleted,
  type SubscribeOptions,
} from '../../src/events/index.ts'
import { type Call, FakeServer, type Fault, Log, type ServerOptions } from './eventstoredb/server.ts'
import { Wiretap } from './eventstoredb/wiretap.ts'

/** Long enough for an answer on a busy machine; the tests that wait for it to pass set a shorter one. */
const PATIENT: Partial<EventStoreDBOptions> = { timeoutMs: 20_000, backoffMs: 5, longestBackoffMs: 50 }
const HASTY: Partial<EventStoreDBOptions> = { ...PATIENT, timeoutMs: 300 }

// Connections are made again and again, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const opened: { close(): unknown }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

async function start(options: Partial<ServerOptions> & { log: Log }): Promise<FakeServer> {
  const server = await FakeServer.start(options)
  opened.push({ close: () => server.kill() })
  return server
}

async function open(url: string, options: Partial<EventStoreDBOptions> = PATIENT): Promise<EventStore> {
  const store = await openEventStoreDB({ url, ...options })
  opened.push(store)
  return store
}

/** A server behind a wire that can be cut, and a store that talks to it. */
async function wired(options: Partial<ServerOptions> = {}, storeOptions: Partial<EventStoreDBOptions> = PATIENT) {
  const log = options.log ?? new Log()
  let server = await start({ ...options, log })
  const wire = await Wiretap.start(() => server.port)
  opened.push(wire)
  const store = await open(wire.url, storeOptions)
  const restart = async () => {
    server.kill()
    wire.cut()
    server = await start({ ...options, log })
  }
  return { log, wire, store, restart, server: () => server }
}

/** The faults to come of one kind of call, first one first; then it goes well. */
function faults(call: Call, ...list: Fault[]): NonNullable<ServerOptions['fault']> {
  return (asked) => (asked === call ? list.shift() : undefined)
}

function event(type = 'Noted', text = ''): EventData {
  return {
    id: randomUUID(),
    type,
    data: { text },
    metadata: { at: '2025-01-01T00:00:00.000Z', by: 'system', correlationId: 'c', causationId: 'c', v: 1 },
  }
}

/** What a caller of the port does when the store is away: the same again. */
async function insist(
  store: EventStore,
  stream: string,
  expected: ExpectedRevision,
  events: readonly EventData[],
): Promise<AppendResult> {
  for (;;) {
    try {
      return await store.append(stream, expected, events)
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || !error.retryable) throw error
      await new Promise(setImmediate)
    }
  }
}

function follow(store: EventStore, options: SubscribeOptions = {}, onBatch?: () => unknown) {
  const received: RecordedEvent[] = []
  const caughtUp = Promise.withResolvers<Position>()
  const dropped = Promise.withResolvers<Error>()
  let heard = Promise.withResolvers<void>()
  const subscription = store.subscribe(options, {
    async events(batch) {
      received.push(...batch)
      heard.resolve()
      heard = Promise.withResolvers()
      await onBatch?.()
    },
    caughtUp: caughtUp.resolve,
    dropped: dropped.resolve,
  })
  opened.push(subscription)
  return {
    received,
    caughtUp: caughtUp.promise,
    dropped: dropped.promise,
    async count(wanted: number) {
      while (received.length < wanted) await heard.promise
      return received
    },
  }
}

const failure = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )
const ids = (events: readonly { id: string }[]) => events.map(({ id }) => id)

describe('an append', () => {
  it.each<Fault>(['unavailable', 'deadline', 'busy', 'lost'])('answered with %s may be repeated', async (fault) => {
    const { log, store } = await wired({ fault: faults('append', fault) })
    const sent = [event(), event()]
    const error = await failure(store.append('a.task-1', 'no-stream', sent))
    expect(error).toBeInstanceOf(StoreUnavailable)
    expect(error).toMatchObject({ retryable: true })
    expect(log.all.length).toBe(fault === 'lost' ? 2 : 0)
    const result = await store.append('a.task-1', 'no-stream', sent)
    expect(result.revision).toBe(1n)
    expect(ids(await store.readStream('a.task-1'))).toEqual(ids(sent))
  })

  it('that the server gives up, as it does one behind its own twin, is repeated unseen', async () => {
    const { log, store } = await wired({ fault: faults('append', 'timeout', 'timeout') })
    expect((await store.append('a.task-1', 'no-stream', [event()])).revision).toBe(0n)
    expect(log.all).toHaveLength(1)
  })

  it('with any is not repeated unseen: the server would not always know it again', async () => {
    const { server, store } = await wired({ fault: faults('append', 'timeout') })
    expect(await failure(store.append('a.task-1', 'any', [event()]))).toMatchObject({ retryable: true })
    expect(server().appends).toBe(1)
  })

  it('without an answer ends in time, and the next one has a new connection', async () => {
    let hangs = true
    const { store } = await wired({ fault: () => (hangs ? 'hang' : undefined) }, HASTY)
    const sent = [event()]
    const errors = await Promise.all([
      failure(store.append('a.task-1', 'no-stream', sent)),
      failure(store.readStream('a.task-1')),
      failure(store.readAll()),
      failure(store.head()),
    ])
    for (const error of errors) expect(error).toMatchObject({ code: 'store-unavailable', retryable: true })
    hangs = false
    expect((await insist(store, 'a.task-1', 'no-stream', sent)).revision).toBe(0n)
  })

  it('on a wire that has gone dead ends in time, and the next one has a new connection', async () => {
    const { store, wire } = await wired({}, HASTY)
    await insist(store, 'a.task-1', 'no-stream', [event()])
    wire.stall()
    const sent = [event()]
    expect(await failure(store.append('a.task-1', 0n, sent))).toMatchObject({ retryable: true })
    expect((await insist(store, 'a.task-1', 0n, sent)).revision).toBe(1n)
  })

  // A promise: see docs/promises.md.
  it('is neither lost nor doubled while the wire is cut again and again', async () => {
    let lost = 0
    const { log, store, wire } = await wired({
      fault: (call) => (call === 'append' && ++lost % 41 === 0 ? 'lost' : undefined),
    })
    const sent: EventData[][] = Array.from({ length: 10 }, () => [])
    await Promise.all(
      sent.map(async (events, i) => {
        for (let revision = 0; revision < 20; revision++) {
          const one = event()
          events.push(one)
          const expected = revision === 0 ? 'no-stream' : BigInt(revision - 1)
          const result = await insist(store, `a.task-${i}`, expected, [one])
          expect(result.revision).toBe(BigInt(revision))
          if (i === 0 && revision % 4 === 0) wire.cut()
        }
      }),
    )
    for (const [i, events] of sent.entries()) expect(ids(await store.readStream(`a.task-${i}`))).toEqual(ids(events))
    expect(log.all).toHaveLength(200)
  })

  it('of another store of the process goes on when a connection breaks', async () => {
    const hanging = { on: true }
    const server = await start({
      log: new Log(),
      fault: (_, stream) => (stream === 'b.slow' && hanging.on ? 'hang' : undefined),
    })
    const wire = await Wiretap.start(() => server.port)
    opened.push(wire)
    const [broken, sound] = [await open(wire.url), await open(server.url)]
    const waits = failure(broken.append('b.slow', 'no-stream', [event()]))
    await sound.append('b.task-1', 'no-stream', [event()])
    const beside = Promise.all(Array.from({ length: 20 }, (_, i) => sound.append(`b.task-x${i}`, 'any', [event()])))
    while (server.appends < 22) await new Promise(setImmediate)
    wire.cut()
    expect(await waits).toMatchObject({ retryable: true })
    expect(await beside).toHaveLength(20)
  })

  it('over what the server takes at once is too large', async () => {
    const { store } = await wired({ maxAppendSize: 1000 })
    const error = await failure(store.append('a.task-1', 'no-stream', [event('A', 'x'.repeat(900)), event('B')]))
    expect(error).toBeInstanceOf(EventTooLarge)
    expect(error).toMatchObject({ stream: 'a.task-1', type: 'A + B', limit: 1000 })
    const much = Array.from({ length: 16 }, () => event('C', 'x'.repeat(250_000)))
    expect(await failure(store.append('a.task-1', 'no-stream', much))).toBeInstanceOf(EventTooLarge)
    expect((await store.append('a.task-1', 'no-stream', [event('D')])).revision).toBe(0n)
  })
})

describe('a node that does not lead', () => {
  it('sends appends, reads and deletions to the leader, and the caller does not notice', async () => {
    const log = new Log()
    const leader = await start({ log })
    const follower = await start({ log, leader: () => leader.port, fault: () => 'not-leader' })
    for (const act of [
      (store: EventStore) => store.append(`a.task-${randomUUID()}`, 'no-stream', [event()]),
      (store: EventStore) => store.readStream('a.none'),
      (store: EventStore) => store.head(),
      (store: EventStore) => store.readAll(),
    ]) {
      const store = await open(follower.url)
      await act(store)
    }
    expect(log.all).toHaveLength(1)
  })

  it('is not asked when gossip says who leads', async () => {
    const log = new Log()
    const leader = await start({ log })
    const follower = await start({ log, leader: () => leader.port })
    const both = `esdb://127.0.0.1:${follower.port},127.0.0.1:${follower.port}?tls=false`
    for (const url of [both, follower.url.replace('esdb:', 'kurrentdb+discover:')]) {
      await (await open(url)).append(`a.task-${randomUUID()}`, 'no-stream', [event()])
    }
    expect(leader.appends).toBe(2)
    expect(follower.appends).toBe(0)
  })

  it('ends as unavailable when nobody leads', async () => {
    const log = new Log()
    const server = await start({ log, fault: () => 'not-leader' })
    const store = await open(server.url)
    expect(await failure(store.append('a.task-1', 'no-stream', [event()]))).toMatchObject({ retryable: true })
  })
})

describe('a subscription', () => {
  // A promise: see docs/promises.md.
  it('goes on after cuts and restarts, without gap or repeat', async () => {
    const { log, store, wire, restart } = await wired()
    const writer = await wired({ log })
    const seen = follow(store, { prefixes: ['a.'] })
    await seen.caughtUp
    for (let i = 0; i < 300; i++) {
      await writer.store.append(`a.task-${i % 3}`, 'any', [event()])
      if (i % 40 === 20) wire.cut()
      if (i % 100 === 99) await restart()
    }
    expect(ids(await seen.count(300))).toEqual(ids(log.all))
  })

  it('goes on when the server drops it for being slow', async () => {
    const { store, server } = await wired()
    const gate = Promise.withResolvers<void>()
    const seen = follow(store, { prefixes: ['a.'] }, () => gate.promise)
    await seen.caughtUp
    const text = 'x'.repeat(20_000)
    let sent = 0
    for (; server().dropped === 0; sent++) await store.append('a.task-1', 'any', [event('Noted', text)])
    gate.resolve()
    const received = await seen.count(sent)
    expect(received.map((one) => one.revision)).toEqual(Array.from({ length: sent }, (_, i) => BigInt(i)))
  })

  it('on a wire that has gone dead comes back by itself', async () => {
    const log = new Log()
    const { store, wire, server } = await wired(
      { log },
      { ...PATIENT, keepAliveIntervalMs: 50, keepAliveTimeoutMs: 50 },
    )
    const writer = await open(server().url)
    const seen = follow(store, { prefixes: ['a.'] })
    await seen.caughtUp
    await writer.append('a.task-1', 'any', [event()])
    await seen.count(1)
    wire.stall()
    await writer.append('a.task-1', 'any', [event()])
    expect(ids(await seen.count(2))).toEqual(ids(log.all))
  })

  it('resumes behind what does not match, not behind the last that does', async () => {
    const { log, store, wire, server } = await wired()
    await store.append('a.task-1', 'any', [event()])
    const seen = follow(store, { prefixes: ['a.'] })
    await seen.caughtUp
    await expect.poll(() => server().subscribedFrom, { timeout: 30_000 }).toHaveLength(1)
    for (let i = 0; i < 50; i++) await store.append('b.task-1', 'any', [event()])
    wire.cut()
    await expect.poll(() => server().subscribedFrom, { timeout: 30_000 }).toHaveLength(2)
    expect(server().subscribedFrom[1]).toBe(log.all.at(-1)?.position)
    await store.append('a.task-1', 'any', [event()])
    expect(await seen.count(2)).toHaveLength(2)
  })

  it('waits for a server that is away at first', async () => {
    const { store, wire } = await wired()
    wire.refuse(true)
    const seen = follow(store, { from: 'now' })
    expect(await failure(store.readAll())).toMatchObject({ retryable: true })
    wire.refuse(false)
    await seen.caughtUp
    await insist(store, 'a.task-1', 'no-stream', [event()])
    expect(await seen.count(1)).toHaveLength(1)
  })

  it('ends when the server refuses the user, and says that repeating does not help', async () => {
    const { store } = await wired({ fault: () => 'denied' })
    const seen = follow(store)
    expect(await seen.dropped).toMatchObject({ code: 'store-unavailable', retryable: false })
    for (const error of [
      await failure(store.append('a.task-1', 'any', [event()])),
      await failure(store.readStream('a.task-1')),
      await failure(store.head()),
    ]) {
      expect(error).toMatchObject({ code: 'store-unavailable', retryable: false })
    }
  })
})

describe('several apps on one server', () => {
  it('have each a log of their own', async () => {
    const { log, server } = await wired()
    const [a, b] = [
      await open(server().url, { ...PATIENT, prefix: 'a.' }),
      await open(server().url, { ...PATIENT, prefix: 'b.' }),
    ]
    expect(await a.head()).toBe(START)
    const { position } = await a.append('a.task-1', 'no-stream', [event()])
    for (let i = 0; i < 200; i++) await b.append('b.task-1', 'any', [event()])
    log.disturb('$stats')
    log.disturb('a.not-json', 'application/octet-stream')
    expect(await a.head()).toBe(position)
    expect(await a.readAll()).toHaveLength(1)
    expect(await a.readAll({ prefixes: ['b.'] })).toEqual([])
    expect(await b.readAll({ limit: 500 })).toHaveLength(200)
    const seen = follow(a)
    expect(await seen.caughtUp).toBeGreaterThan(position)
    await b.append('b.task-1', 'any', [event()])
    const next = await a.append('a.task-1', 0n, [event()])
    expect((await seen.count(2)).map((one) => one.stream)).toEqual(['a.task-1', 'a.task-1'])
    expect(await a.head()).toBe(next.position)
  })
})

describe('a tombstone', () => {
  it('knows that its answer was lost', async () => {
    const { store } = await wired({ fault: faults('tombstone', 'lost') })
    await store.append('a.task-1', 'no-stream', [event()])
    expect(await failure(store.deleteStream('a.task-1', 0n))).toMatchObject({
      code: 'store-unavailable',
      retryable: true,
    })
    await store.deleteStream('a.task-1', 0n)
    expect(await failure(store.append('a.task-1', 'any', [event()]))).toBeInstanceOf(StreamDeleted)
  })

  it('is never waited for without end', async () => {
    const { store } = await wired({ fault: (call) => (call === 'tombstone' ? 'hang' : undefined) }, HASTY)
    expect(await failure(store.deleteStream('a.task-1', 'no-stream'))).toMatchObject({ code: 'store-unavailable' })
  })

  it('is asked of the leader', async () => {
    const log = new Log()
    const leader = await start({ log })
    const { store } = await wired({ log, fault: () => 'not-leader', leader: () => leader.port })
    await store.deleteStream('a.task-1', 'no-stream')
    expect(log.streams.get('a.task-1')?.deleted).toBe(true)
  })

  it('does not end the connection when the stream is deleted already', async () => {
    const { store, server } = await wired()
    const seen = follow(store)
    await seen.caughtUp
    await store.deleteStream('a.task-1', 'no-stream')
    await store.deleteStream('a.task-1', 'no-stream')
    await store.readStream('a.task-1')
    await failure(store.append('a.task-1', 'any', [event()]))
    await store.append('a.task-2', 'any', [event()])
    await seen.count(1)
    expect(server().subscribedFrom).toHaveLength(1)
  })

  it('is never itself seen, before or after a scavenge, and the head stays', async () => {
    const { store, log } = await wired()
    const first = await store.append('a.task-1', 'no-stream', [event()])
    const { position } = await store.append('a.task-2', 'no-stream', [event(), event()])
    await store.deleteStream('a.task-2', 1n)
    const streams = async () => (await store.readAll()).map(({ stream }) => stream)
    expect(await streams()).toEqual(['a.task-1', 'a.task-2', 'a.task-2'])
    expect(await store.head()).toBe(position)
    log.scavenge()
    expect(await streams()).toEqual(['a.task-1'])
    expect(await store.head()).toBe(position)
    const seen = follow(store)
    expect(await seen.caughtUp).toBeGreaterThanOrEqual(position)
    const last = await store.append('a.task-3', 'no-stream', [event()])
    expect((await seen.count(2)).map((one) => one.position)).toEqual([first.position, last.position])
  })
})

describe('opening and closing', () => {
  it.each([
    ['nothing', ''],
    ['another scheme', 'http://host:2113'],
    ['no host', 'esdb://'],
    ['a port that is no number', 'esdb://user:secret@host:eleven'],
    ['a port that is none', 'esdb://user:secret@host:70000'],
    ['a switch that is neither', 'esdb://user:secret@host?tls=perhaps'],
    ['a certificate that is not there', 'esdb://user:secret@host?tlsCAFile=/nowhere/ca.crt'],
    ['half a certificate', 'esdb://user:secret@host?userCertFile=/nowhere/user.crt'],
  ])('refuses a connection string with %s, and does not repeat the password', async (_, url) => {
    const error = await failure(openEventStoreDB({ url }))
    expect(error).toBeInstanceOf(StoreUnavailable)
    expect(error).toMatchObject({ retryable: false, message: expect.stringContaining('connection string') })
    expect(String(error)).not.toContain('secret')
  })

  it('says of a password that is not encoded how to write it', async () => {
    const error = await failure(openEventStoreDB({ url: 'esdb://user:sec@r:et/1@host:2113' }))
    expect(error).toMatchObject({ message: expect.stringContaining('percent-encoded: %40 for @') })
    expect(String(error)).not.toContain('sec@')
  })

  it('closes though the server hangs', async () => {
    const { store } = await wired({ fault: () => 'hang' }, HASTY)
    const seen = follow(store)
    const append = failure(store.append('a.task-1', 'any', [event()]))
    await store.close()
    expect(await append).toMatchObject({ code: 'store-unavailable' })
    expect(await seen.dropped).toBeInstanceOf(StoreClosed)
  })

  it.each([true, false])('leaves no connection open to a server that says nothing (tls: %s)', async (tls) => {
    const sockets = new Set<Socket>()
    const silent = createServer((socket) => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket)).on('error', () => {})
      socket.resume()
    })
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    opened.push({
      close: () => {
        silent.close()
        for (const socket of sockets) socket.destroy()
      },
    })
    const { port } = silent.address() as AddressInfo
    const store = await open(`esdb://127.0.0.1:${port}?tls=${tls}`, HASTY)
    for (let time = 0; time < 3; time++) {
      expect(await failure(store.head())).toMatchObject({ code: 'store-unavailable', retryable: true })
    }
    await vi.waitFor(() => expect(sockets.size).toBeLessThanOrEqual(1), { timeout: 5_000 })
    await store.close()
    await vi.waitFor(() => expect(sockets.size).toBe(0), { timeout: 5_000 })
  })

  it('closes though the server is away', async () => {
    const { store, wire } = await wired()
    wire.refuse(true)
    const seen = follow(store, { from: 'now' })
    await store.close()
    expect(await seen.dropped).toBeInstanceOf(StoreClosed)
  })
})
