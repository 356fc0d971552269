/** Retention: what may go and what must stay, that nothing goes without its copy and its record, wherever a run is cut off. */
import { appendFile, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { scheduleKind, sessionKind, taskKind } from '../../src/actors/index.ts'
import type { RetireOutcome } from '../../src/app/retention/retire.ts'
import {
  ArchiveInUse,
  ArchiveUnavailable,
  type EventStore,
  openArchive,
  type RetiredStream,
  seal,
  verifyCopy,
  verifyLog,
} from '../../src/events/index.ts'
import { onFailureTaskId } from '../../src/execution/index.ts'
import { APP, directory, type World, world } from './retention.ts'

// Some take a run from each place at which it can be cut off, on a disk.
vi.setConfig({ testTimeout: 120_000 })

const OWN = { by: 'system' } as const

/** Ends a conversation as code to come will. */
async function endSession({ store, clock }: World, id: string): Promise<void> {
  const stream = `${APP}.session-${id}`
  const last = (await store.readStream(stream, { direction: 'backwards', limit: 1 }))[0]
  const revision = last?.revision ?? -1n
  const metadata = {
    at: new Date(clock.now()).toISOString(),
    by: 'system',
    correlationId: 'c',
    causationId: 'c',
    v: 1,
  } as const
  const event = { id: `end-${id}`, type: 'SessionEnded', data: {}, metadata }
  await store.append(stream, revision, [seal(stream, revision + 1n, last?.metadata.hash ?? '', event)])
}

async function isProved(w: World): Promise<void> {
  const verdict = await verifyLog(w.store, { archive: w.archive })
  expect(verdict.broken).toBeUndefined()
  const retired = new Set(await w.recorded()).size
  expect(verdict).toMatchObject({ retired, archived: retired, remaining: 0 })
}

describe.each(['memory', 'sqlite'] as const)('retention (%s)', (name) => {
  // A promise: see docs/promises.md.
  it('takes what ended longer ago than the limit, once it is in the archive and its going is recorded', async () => {
    const w = await world(name)
    for (const [id, end] of [
      ['a', 'completed'],
      ['b', 'failed'],
      ['c', 'cancelled'],
    ] as const)
      await w.task(id, end)
    await w.submit('live')
    await w.days(50)
    await w.task('late', 'completed')
    await w.days(41)
    const outcome = await w.retire()
    expect(outcome).toMatchObject({ retired: 3, completed: 0, kept: {}, broken: [], more: false })
    expect(await w.streams()).toEqual(['audit', 'task-late', 'task-live'])
    expect((await w.recorded()).sort()).toEqual(['task-a', 'task-b', 'task-c'])
    await isProved(w)
    // Running again finds nothing.
    expect(await w.retire()).toMatchObject({ retired: 0, kept: {} })
    expect(await w.recorded()).toHaveLength(3)
  })

  it('in a dry run changes nothing, and says what would go', async () => {
    const w = await world(name)
    await w.task('a', 'completed')
    await w.task('b', 'failed')
    await w.days(91)
    const before = await w.events()
    expect(await w.retire({ dryRun: true })).toMatchObject({ retired: 2, events: 6 })
    expect(await w.events()).toEqual(before)
    expect(await readdir(w.archive)).toEqual([])
  })

  // A promise: see docs/promises.md.
  it('cut off at any point is completed by the next run: nothing goes without its copy and its record', async () => {
    for (const answers of ['before', 'after'] as const) {
      for (let at = 0; ; at++) {
        const w = await world(name)
        for (const id of ['a', 'b']) await w.task(id, 'completed')
        await w.task('c', 'failed', { sessionId: 's' })
        await w.session('s')
        await endSession(w, 's')
        await w.days(91)
        const { store, wasCut } = cutting(w.store, at, answers)
        const run = await w.retire({}, { store }).catch((error: Error) => error)
        expect(await lostStreams(w)).toEqual([])
        if (!wasCut()) {
          expect(run).toMatchObject({ retired: 4 })
          expect(at).toBeGreaterThan(6)
          break
        }
        expect(run).toMatchObject({ message: 'cut off' })
        await w.retire()
        expect(await w.streams()).toEqual(['audit'])
        expect(new Set(await w.recorded())).toEqual(new Set(['task-a', 'task-b', 'task-c', 'session-s']))
        expect(await w.recorded()).toHaveLength(4)
        await isProved(w)
      }
    }
  })
})

/** The store of a process that dies at its n-th change of the log: `before` it is made, or `after`, without an answer. */
function cutting(store: EventStore, at: number, when: 'before' | 'after') {
  let changes = 0
  let isCut = false
  const change = async <T>(make: () => Promise<T>): Promise<T> => {
    if (isCut) throw new Error('cut off')
    if (changes++ !== at) return make()
    isCut = true
    if (when === 'after') await make()
    throw new Error('cut off')
  }
  const cut: EventStore = {
    append: (...of) => change(() => store.append(...of)),
    deleteStream: (...of) => change(() => store.deleteStream(...of)),
    readStream: (...of) => store.readStream(...of),
    readAll: (...of) => store.readAll(...of),
    subscribe: (...of) => store.subscribe(...of),
    head: () => store.head(),
    capStream: (...of) => store.capStream(...of),
    close: async () => {},
  }
  return { store: cut, wasCut: () => isCut }
}

/** Streams that were in the log and are no more, though no record has a whole copy of them. */
async function lostStreams(w: World): Promise<string[]> {
  const lost: string[] = []
  const records = (await w.store.readStream(`${APP}.audit`)).map(({ data }) => data as unknown as RetiredStream)
  for (const name of ['task-a', 'task-b', 'task-c', 'session-s']) {
    const stream = `${APP}.${name}`
    if ((await w.store.readStream(stream)).length > 0) continue
    const record = records.find((one) => one.stream === stream)
    if (!record || !(await verifyCopy(w.archive, record)).ok) lost.push(name)
  }
  return lost
}

describe('what stays', () => {
  const kept = async (w: World): Promise<RetireOutcome['kept']> => (await w.retire()).kept

  // A promise: see docs/promises.md.
  it('is a task whose callback is neither delivered nor given up', async () => {
    const w = await world()
    await w.task('a', 'completed', { callbackUrl: 'https://example.org/' })
    await w.days(91)
    expect(await kept(w)).toEqual({ owed: 1 })
    const settle = { type: 'settleCallback', run: 1, url: 'https://example.org/', tries: 7, reason: 'gone' } as const
    await w.system.execute(taskKind, 'a', settle, OWN)
    expect(await kept(w)).toEqual({})
    expect(await w.recorded()).toEqual(['task-a'])
  })

  // A promise: see docs/promises.md.
  it('is a task that its lock still knows', async () => {
    const w = await world()
    await w.lock('k', 'a')
    await w.lock('k', 'b')
    for (const id of ['a', 'b']) await w.task(id, 'failed', { lockKey: 'k' })
    await w.days(91)
    expect(await kept(w)).toEqual({ locked: 2 })
    // It was not even hidden.
    expect((await w.events()).some(({ type }) => type === 'TaskDeleted')).toBe(false)
    for (const id of ['a', 'b']) await w.unlock('k', id)
    expect(await kept(w)).toEqual({})
    expect(await w.streams()).toEqual(['audit', 'lock-k'])
  })

  it('is an occurrence whose schedule does not know its end', async () => {
    const w = await world()
    await w.schedule('hourly')
    const due = new Date(w.clock.now()).toISOString()
    const tick = { type: 'tick', name: 'hourly', due, trigger: 'cron' } as const
    const { facts } = await w.system.execute(scheduleKind, 'hourly', tick, OWN)
    const taskId = String(facts[0]?.data.taskId)
    await w.task(taskId, 'completed', { occurrence: { schedule: 'hourly', due } })
    await w.days(91)
    expect(await kept(w)).toEqual({ occurring: 1 })
    await w.system.execute(scheduleKind, 'hourly', { type: 'finish', due, taskId, status: 'completed' }, OWN)
    expect(await kept(w)).toEqual({})
    expect(await w.streams()).toEqual(['audit', 'schedule-hourly'])
  })

  // A promise: see docs/promises.md.
  it('is a failed task until its onFailure task has ended, which goes after it', async () => {
    const w = await world()
    await w.task('a', 'failed', { onFailure: true })
    const about = onFailureTaskId(APP, 'a', 1)
    await w.days(91)
    expect(await kept(w)).toEqual({ owed: 1 })
    await w.submit(about, { failureOf: { taskId: 'a', run: 1 } })
    expect(await kept(w)).toEqual({ owed: 1 })
    await w.end(about, 'completed')
    expect(await kept(w)).toEqual({})
    await w.days(91)
    expect(await w.retire({ dryRun: true })).toMatchObject({ retired: 1 })
    await w.retire()
    expect(await w.recorded()).toEqual(['task-a', `task-${about}`])
  })

  it('is an onFailure task while the task that it is about is there, in a dry run too', async () => {
    const w = await world()
    const about = onFailureTaskId(APP, 'a', 1)
    await w.task('a', 'failed', { onFailure: true })
    await w.task(about, 'completed', { failureOf: { taskId: 'a', run: 1 } })
    await w.days(91)
    // Another run of it was asked for: it has not ended.
    await w.system.execute(taskKind, 'a', { type: 'requeue' }, OWN)
    expect(await kept(w)).toEqual({ about: 1 })
    await w.end('a', 'completed')
    await w.days(91)
    expect(await w.retire({ dryRun: true })).toMatchObject({ retired: 2, kept: {} })
    expect(await w.retire()).toMatchObject({ retired: 2, kept: {} })
    expect(await w.recorded()).toEqual(['task-a', `task-${about}`])
  })

  it('is a conversation that goes on, or that a task belongs to', async () => {
    const w = await world()
    for (const id of ['open', 'ended', 'used']) await w.session(id)
    for (const id of ['ended', 'used']) await endSession(w, id)
    await w.submit('t', { sessionId: 'used' })
    await w.days(91)
    expect(await w.retire()).toMatchObject({ retired: 1 })
    expect(await w.recorded()).toEqual(['session-ended'])
    await w.end('t', 'completed')
    await w.days(91)
    await w.retire()
    expect(await w.recorded()).toEqual(['session-ended', 'task-t', 'session-used'])
    expect((await w.system.read(sessionKind, 'used')).state.value).toBe('new')
  })

  it('is what newer code wrote to, and what is not as it was appended', async () => {
    const w = await world()
    const append = async (id: string, type: string, hash?: string) => {
      const stream = `${APP}.task-${id}`
      const last = (await w.store.readStream(stream, { direction: 'backwards', limit: 1 }))[0]
      const revision = last?.revision ?? -1n
      const at = new Date(w.clock.now()).toISOString()
      const metadata = { at, by: 'system', correlationId: 'c', causationId: 'c', v: 1 } as const
      const event = { id: `x-${id}`, type, data: {}, metadata }
      const sealed = seal(stream, revision + 1n, hash ?? last?.metadata.hash ?? '', event)
      await w.store.append(stream, revision, [sealed])
    }
    for (const id of ['newer', 'altered']) await w.task(id, 'completed')
    await append('newer', 'TaskPraised')
    await append('altered', 'TaskDeleted', 'f'.repeat(64))
    await w.days(91)
    expect(await w.retire()).toMatchObject({ kept: { unknown: 1, broken: 1 }, broken: [`${APP}.task-altered`] })
    expect(await w.recorded()).toEqual([])
  })

  it('is what the limit leaves for the next run', async () => {
    const w = await world()
    for (let i = 0; i < 12; i++) await w.task(`t${i}`, 'failed')
    await w.days(91)
    expect(await w.retire({ limit: 5 })).toMatchObject({ retired: 5, more: true })
    expect((await w.events()).filter(({ type }) => type === 'TaskDeleted')).toEqual([])
    expect(await w.retire({ limit: 7 })).toMatchObject({ retired: 7, more: false })
    expect(await w.streams()).toEqual(['audit'])
  })
})

describe('while others work', () => {
  it('two runs at once, of two nodes with an archive each, retire each stream once', async () => {
    const w = await world()
    const other = await directory()
    for (let i = 0; i < 30; i++) await w.task(`t${i}`, i % 2 ? 'completed' : 'failed')
    await w.days(91)
    const outcomes = await Promise.all([w.retire(), w.retire({}, { archive: other })])
    expect(outcomes.reduce((sum, { retired }) => sum + retired, 0)).toBe(30)
    expect(await w.streams()).toEqual(['audit'])
    expect(new Set(await w.recorded()).size).toBe(30)
    expect(await w.recorded()).toHaveLength(30)
    const records = (await w.store.readStream(`${APP}.audit`)).map(({ data }) => data as unknown as RetiredStream)
    for (const record of records) {
      const copies = await Promise.all([w.archive, other].map((archive) => verifyCopy(archive, record)))
      expect(copies.some(({ ok }) => ok)).toBe(true)
    }
  })

  it('a long stream that another node has deleted before it is copied is none that was tampered with', async () => {
    const w = await world()
    await w.submit('a')
    const { state } = await w.system.execute(taskKind, 'a', { type: 'start', node: 'n' }, OWN)
    const claim = state.context.claim?.id ?? ''
    for (let n = 0; n < 200; n++) {
      await w.system.execute(taskKind, 'a', { type: 'log', claim, level: 'info', message: `${n}` }, OWN)
    }
    await w.system.execute(taskKind, 'a', { type: 'complete', claim, result: null }, OWN)
    await w.days(91)
    const process = await w.process()
    let looks = 0
    const store: EventStore = Object.assign(Object.create(w.store) as EventStore, {
      head: () => w.store.head(),
      readStream: async (...[stream, part]: Parameters<EventStore['readStream']>) => {
        // Looked at first, then copied.
        const isLook = stream === `${APP}.task-a` && part?.from === 0n
        if (isLook && ++looks === 2) await w.retire({}, { archive: await directory() })
        return w.store.readStream(stream, part)
      },
    })
    expect(await process.retire({}, { store })).toMatchObject({ retired: 0, kept: { changed: 1 }, broken: [] })
    await process.close()
    expect(await w.streams()).toEqual(['audit'])
  })

  it('of one archive there is one run at a time', async () => {
    const w = await world()
    const open = await openArchive({ directory: w.archive, app: APP })
    await expect(w.retire()).rejects.toBeInstanceOf(ArchiveInUse)
    await open.close()
    await expect(w.retire()).resolves.toMatchObject({ retired: 0 })
  })

  it('a task that is run again as it is looked at stays', async () => {
    const w = await world()
    await w.task('a', 'failed')
    await w.days(91)
    const { store, meanwhile } = beforeAppend(w.store, 'TaskDeleted')
    meanwhile(() => w.system.execute(taskKind, 'a', { type: 'requeue' }, OWN))
    expect(await w.retire({}, { store })).toMatchObject({ retired: 0, kept: { live: 1 } })
    expect(await w.recorded()).toEqual([])
    expect((await w.system.read(taskKind, 'a')).state.value).toBe('pending')
  })

  it('a task that was copied cannot be run again, and what it still refuses goes along', async () => {
    const w = await world()
    await w.task('a', 'failed')
    await w.days(91)
    const { store, meanwhile } = beforeAppend(w.store, 'StreamRetired')
    const errors: unknown[] = []
    meanwhile(async () => {
      const late = [{ type: 'requeue' }, { type: 'complete', claim: 'of-an-old-attempt', result: 1 }] as const
      for (const command of late) {
        await w.system.execute(taskKind, 'a', command, OWN).catch((error) => errors.push(error))
      }
    })
    expect(await w.retire({}, { store })).toMatchObject({ retired: 1, kept: {} })
    expect(errors).toMatchObject([{ code: 'command-refused' }, { code: 'attempt-fenced' }])
    const audit = await w.store.readStream(`${APP}.audit`)
    expect(audit.map(({ data }) => [data.stream, data.lastRevision])).toEqual([
      [`${APP}.task-a`, 3],
      [`${APP}.task-a`, 4],
    ])
    expect(await w.streams()).toEqual(['audit'])
    await isProved(w)
  })
})

/** Lets something happen right before the first append of such an event. */
function beforeAppend(store: EventStore, type: string) {
  let happen: (() => Promise<unknown>) | undefined
  const wrapped: EventStore = {
    append: async (stream, expected, events) => {
      if (events[0]?.type === type) {
        const once = happen
        happen = undefined
        await once?.()
      }
      return store.append(stream, expected, events)
    },
    deleteStream: (...of) => store.deleteStream(...of),
    readStream: (...of) => store.readStream(...of),
    readAll: (...of) => store.readAll(...of),
    subscribe: (...of) => store.subscribe(...of),
    head: () => store.head(),
    capStream: (...of) => store.capStream(...of),
    close: async () => {},
  }
  const meanwhile = (what: () => Promise<unknown>): void => {
    happen = what
  }
  return { store: wrapped, meanwhile }
}

describe('the archive', () => {
  const segments = async (w: World) => (await readdir(w.archive)).filter((file) => file.endsWith('.jsonl')).sort()

  it('is lines of JSON with all that was stored', async () => {
    const w = await world()
    await w.task('a', 'completed')
    const before = await w.store.readStream(`${APP}.task-a`)
    await w.days(91)
    await w.retire()
    const [file = ''] = await segments(w)
    const lines = (await readFile(join(w.archive, file), 'utf8')).trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toEqual(
      before.map((event) => ({ ...event, revision: String(event.revision), position: String(event.position) })),
    )
  })

  it.each([
    ['half a line', (file: string) => appendFile(file, '{"stream":"demo.task-b","revi')],
    ['a block of zeros', (file: string) => appendFile(file, Buffer.alloc(4096))],
    ['a line that is none', (file: string) => appendFile(file, 'x\u0000y\n')],
  ])('that a crash left with %s goes on after its last whole line', async (_, tear) => {
    const w = await world()
    await w.task('a', 'completed')
    await w.days(91)
    await w.retire()
    const [file = ''] = await segments(w)
    const whole = await readFile(join(w.archive, file), 'utf8')
    await tear(join(w.archive, file))
    await w.task('b', 'completed')
    await w.days(91)
    await w.retire()
    const now = await readFile(join(w.archive, file), 'utf8')
    expect(now.startsWith(whole)).toBe(true)
    expect(JSON.parse(now.slice(whole.length).split('\n')[0] ?? '').stream).toBe(`${APP}.task-b`)
    await isProved(w)
  })

  it('begins another file when one is full', async () => {
    const w = await world()
    for (const id of ['a', 'b', 'c']) await w.task(id, 'completed')
    await w.days(91)
    await w.retire({}, { segmentBytes: 1 })
    expect(await segments(w)).toHaveLength(3)
    await isProved(w)
  })

  it('that cannot be written keeps everything in the log', async () => {
    const w = await world()
    await w.task('a', 'completed')
    await w.days(91)
    await expect(w.retire({}, { archive: '/dev/null/archive' })).rejects.toBeInstanceOf(ArchiveUnavailable)
    expect(await w.streams()).toEqual(['task-a'])
  })
})

describe('verifying a log of which streams went', () => {
  async function retired() {
    const w = await world()
    for (const id of ['a', 'b']) await w.task(id, 'completed')
    await w.submit('live')
    await w.days(91)
    await w.retire()
    const [file = ''] = (await readdir(w.archive)).filter((one) => one.endsWith('.jsonl'))
    return { w, path: join(w.archive, file) }
  }

  it('finds all in its place', async () => {
    const { w } = await retired()
    expect(await verifyLog(w.store)).toMatchObject({ broken: undefined, retired: 2, archived: undefined, streams: 2 })
    expect(await verifyLog(w.store, { archive: w.archive })).toMatchObject({ broken: undefined, archived: 2 })
  })

  it('names what is altered in the archive', async () => {
    const { w, path } = await retired()
    const text = await readFile(path, 'utf8')
    await writeFile(path, text.replace('"of":"b"', '"of":"x"'))
    expect((await verifyLog(w.store, { archive: w.archive })).broken).toMatchObject({
      stream: `${APP}.task-b`,
      revision: 2n,
      reason: 'altered',
    })
    expect((await verifyLog(w.store)).broken).toBeUndefined()
  })

  it('names what is missing in the archive', async () => {
    const { w, path } = await retired()
    await truncate(path, 100)
    expect((await verifyLog(w.store, { archive: w.archive })).broken).toMatchObject({ reason: 'not-archived' })
  })

  it('names a stream that went without a record of it', async () => {
    const { w } = await retired()
    // Its last event is not of this chain: the record was made up.
    const stream = `${APP}.audit`
    const [first] = await w.store.readStream(stream)
    if (!first) throw new Error('nothing was recorded')
    const forged = { ...first, id: 'forged', data: { ...first.data, stream: `${APP}.task-live` } }
    await w.store.append(stream, 1n, [forged])
    expect((await verifyLog(w.store)).broken).toMatchObject({ stream, revision: 2n, reason: 'altered' })
  })

  it('does not mind that the log still gives what went, as a server does until its scavenge', async () => {
    const w = await world()
    for (const id of ['a', 'b']) await w.task(id, 'completed')
    await w.days(91)
    const all = await w.events()
    await w.retire()
    const audit = await w.events()
    const some = [...all.filter(({ position }) => position % 2n === 0n), ...audit]
    const log = { readStream: w.store.readStream.bind(w.store), readAll: async () => some.splice(0) }
    expect(await verifyLog(log)).toMatchObject({ broken: undefined, retired: 2, remaining: 2 })
  })
})
