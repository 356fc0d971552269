/** A log that moves is in one place afterwards: what is in use does not move, and the place it left says where it went. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import {
  addressOf,
  assertHere,
  assertNothingLeft,
  backupDirectory,
  DataDirectoryInUse,
  type EventStore,
  LogMoved,
  LogNotMoved,
  type MigrateOptions,
  migrateLog,
  openEventStoreDB,
  openSqliteStore,
  placeOf,
} from '../../../src/events/index.ts'
import { FakeServer, Log } from '../eventstoredb/server.ts'
import { historyOf, Writer, writeHistory } from './histories.ts'

const NOON = Date.UTC(2025, 0, 1, 12)

/** A log with a history, of which the tests have copies. */
let model: string
let data: string

beforeAll(async () => {
  model = await mkdtemp(join(tmpdir(), 'capsule-migrate-'))
  await inDirectory(model, writeHistory)
  return () => rm(model, { recursive: true, force: true, maxRetries: 5 })
})

beforeEach(async () => {
  data = await temporary()
})

async function temporary(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'capsule-migrate-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }))
  return directory
}

function write(directory: string): Promise<void> {
  return cp(model, directory, { recursive: true })
}

async function cluster(log = new Log()): Promise<{ url: string; store: EventStore; server: FakeServer }> {
  const server = await FakeServer.start({ log })
  onTestFinished(() => server.kill())
  const store = await openEventStoreDB({ url: server.url, prefix: 'demo.' })
  onTestFinished(() => store.close())
  return { url: server.url, store, server }
}

async function inDirectory<T>(directory: string, use: (store: EventStore) => Promise<T>): Promise<T> {
  const store = await openSqliteStore({ directory })
  try {
    return await use(store)
  } finally {
    await store.close()
  }
}

function migrate(from: string, to: string, more: Partial<MigrateOptions> = {}) {
  return migrateLog({
    from: placeOf(from),
    to: placeOf(to),
    app: 'demo',
    now: () => NOON,
    pause: async () => {},
    ...more,
  })
}

function markerIn(directory: string): unknown {
  return JSON.parse(readFileSync(join(directory, 'moved.json'), 'utf8'))
}

function refusal(check: () => unknown): unknown {
  try {
    check()
  } catch (error) {
    return error
  }
  return undefined
}

describe('a migration', () => {
  it('to a cluster leaves a note where the log was, without the secrets of the connection string', async () => {
    await write(data)
    const expected = await inDirectory(data, historyOf)
    const { url, store } = await cluster()
    const secret = url.replace('esdb://', 'esdb://ann:s3cret@').concat('&userKeyFile=/k')
    const { events, appended } = await migrate(data, secret.replace('&userKeyFile=/k', ''))
    expect({ events, appended }).toEqual({ events: 36, appended: 36 })
    expect(await historyOf(store)).toEqual(expected)
    const to = url.replace('?tls=false', '')
    const moved = { is: 'moved', to, at: '2025-01-01T12:00:00.000Z', head: '42' }
    expect(markerIn(data)).toEqual({ apps: { demo: moved } })
    expect(JSON.stringify(markerIn(data))).not.toContain('s3cret')
  })

  it('and back again brings what was done meanwhile to the log that was left', async () => {
    await write(data)
    const { url, store } = await cluster()
    await migrate(data, url)
    await new Writer(store).append('demo.task-new', { data: { on: 'the cluster' } })
    expect(await migrate(url, data)).toMatchObject({ events: 37, appended: 1 })
    expect(readdirSync(data)).not.toContain('moved.json')
    expect(await inDirectory(data, historyOf)).toEqual(await historyOf(store))
    expect(await inDirectory(data, (log) => historyOf(log, 'other'))).toHaveLength(3)
    // Once more to the cluster: it has the beginning.
    await inDirectory(data, (log) => new Writer(log).append('demo.task-newer', {}))
    expect(await migrate(data, url)).toMatchObject({ events: 38, appended: 1 })
  })

  it('is done again without harm', async () => {
    await write(data)
    const { url } = await cluster()
    await migrate(data, url)
    expect(await migrate(data, url)).toMatchObject({ events: 36, appended: 0 })
  })

  it('goes on after the server was away', async () => {
    await write(data)
    const log = new Log()
    let failing = 0
    const server = await FakeServer.start({
      log,
      fault: (call) => (call === 'append' && ++failing % 5 === 0 ? 'unavailable' : undefined),
    })
    onTestFinished(() => server.kill())
    expect(await migrate(data, server.url)).toMatchObject({ appended: 36 })
  })

  it('killed anywhere goes on: half a log is not served meanwhile', async () => {
    await write(data)
    const target = await temporary()
    const child = join(import.meta.dirname, 'migrate-child.ts')
    const { signal } = spawnSync(process.execPath, [child, data, target, 'verifying'])
    expect(signal).toBe('SIGKILL')
    const error = refusal(() => assertHere(target, 'demo'))
    expect(error).toBeInstanceOf(LogMoved)
    expect(error).toMatchObject({ message: expect.stringMatching(/not whole.*Run capsule migrate again/) })
    // The source is the log still.
    assertHere(data, 'demo')
    await expect(migrate(target, await temporary())).rejects.toMatchObject({ code: 'copy-refused', reason: 'in-use' })
    // A backup would be restored without the note.
    const to = join(await temporary(), 'backup.db')
    await expect(backupDirectory(target, { to })).rejects.toThrow(/not whole.*Run capsule migrate again/)
    expect(existsSync(to)).toBe(false)
    expect(await migrate(data, target)).toMatchObject({ events: 36 })
    assertHere(target, 'demo')
    expect(await backupDirectory(target, { to })).toMatchObject({ events: 36 })
    expect(refusal(() => assertHere(data, 'demo'))).toBeInstanceOf(LogMoved)
  })
})

describe('a migration is refused', () => {
  it('when the directory is in use', async () => {
    const store = await openSqliteStore({ directory: data })
    onTestFinished(() => store.close())
    await writeHistory(store)
    const { url } = await cluster()
    await expect(migrate(data, url)).rejects.toBeInstanceOf(DataDirectoryInUse)
    await expect(migrate(url, data)).rejects.toMatchObject({ code: 'copy-refused', reason: 'no-log' })
  })

  it.each(['source', 'target'])('when a node is at work on the %s', async (which) => {
    const { url, store } = await cluster()
    if (which === 'source') await writeHistory(store)
    else await write(data)
    const [from, to] = which === 'source' ? [url, data] : [data, url]
    const at = new Writer(store)
    // Meanwhile the node says that it is there.
    const error = await migrate(from, to, { pause: () => at.sign('demo.node-a') }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ reason: 'in-use', message: expect.stringMatching(/demo\.node-a is at work/) })
  })

  it('when the source grew meanwhile', async () => {
    const { url, store } = await cluster()
    await writeHistory(store)
    let grown: Promise<void> | undefined
    const onProgress: MigrateOptions['onProgress'] = ({ phase }) => {
      if (phase === 'copying') grown ??= new Writer(store).append('demo.late', {})
    }
    await expect(migrate(url, data, { onProgress })).rejects.toThrow(/in use: it has grown meanwhile/)
    await grown
  })

  it('when there is nothing of the app: nothing is made at the target', async () => {
    const target = join(data, 'target')
    await expect(migrate(join(data, 'none'), target)).rejects.toMatchObject({ reason: 'no-log' })
    await write(data)
    await expect(migrate(data, target, { app: 'dem' })).rejects.toMatchObject({ reason: 'no-log' })
    expect(readdirSync(data)).not.toContain('target')
  })

  it('when source and target are the same', async () => {
    await write(data)
    await expect(migrate(data, `${data}/.`)).rejects.toMatchObject({ reason: 'exists' })
  })

  it('when the target has another history; that log stays in use', async () => {
    const target = await temporary()
    await write(data)
    await inDirectory(target, writeHistory)
    await expect(migrate(data, target)).rejects.toMatchObject({ reason: 'other-events' })
    assertHere(target, 'demo')
    assertHere(data, 'demo')
  })

  it('when the log went elsewhere before', async () => {
    await write(data)
    await migrate(data, (await cluster()).url)
    await expect(migrate(data, (await cluster()).url)).rejects.toThrow(/was moved to esdb:/)
  })
})

describe('a directory whose log was moved', () => {
  // A promise: see docs/promises.md.
  it('is not served: it says where the log is, and how to go on here', async () => {
    await write(data)
    assertHere(data, 'demo')
    const { url } = await cluster()
    await migrate(data, url)
    const error = refusal(() => assertHere(data, 'demo'))
    expect(error).toMatchObject({
      code: 'log-moved',
      to: url.replace('?tls=false', ''),
      message: expect.stringMatching(/EVENTSTORE_URL.*capsule migrate.*delete .*moved\.json/),
    })
    // Another app of the same log did not move.
    assertHere(data, 'other')
    await rm(join(data, 'moved.json'))
    assertHere(data, 'demo')
  })

  it('and that has grown since is not served either, and says so', async () => {
    await write(data)
    await migrate(data, (await cluster()).url)
    await inDirectory(data, (log) => new Writer(log).sign('demo.node-1'))
    expect(refusal(() => assertHere(data, 'demo'))).toMatchObject({
      message: expect.not.stringContaining('since then'),
    })
    await inDirectory(data, (log) => new Writer(log).append('demo.task-late', {}))
    expect(refusal(() => assertHere(data, 'demo'))).toMatchObject({ message: expect.stringContaining('since then') })
  })

  it('with a note that cannot be understood is not served', async () => {
    await writeFile(join(data, 'moved.json'), '{')
    expect(refusal(() => assertHere(data, 'demo'))).toMatchObject({ message: expect.stringContaining('Delete it') })
  })
})

describe('a node of a cluster beside an embedded log', () => {
  const submitted = { type: 'TaskSubmitted' }

  // A promise: see docs/promises.md.
  it.each(['TaskSubmitted', 'TaskScheduled', 'TaskStarted', 'TaskRetryScheduled', 'TaskInterrupted', 'TaskRequeued'])(
    'is refused when a task there is at %s: it names capsule migrate',
    async (type) => {
      await inDirectory(data, async (log) => {
        const writer = new Writer(log)
        await writer.append('demo.task-1', submitted, { type: 'TaskFailed' }, { type }, { type: 'TaskLogged' })
        await writer.append('demo.task-2', submitted, { type: 'TaskCompleted' })
      })
      const error = refusal(() => assertNothingLeft(data, 'demo'))
      expect(error).toBeInstanceOf(LogNotMoved)
      expect(error).toMatchObject({ stream: 'demo.task-1', message: expect.stringContaining('capsule migrate') })
      expect(assertNothingLeft(data, 'other')).toBeUndefined()
    },
  )

  it.each(['TaskCompleted', 'TaskFailed', 'TaskTimedOut', 'TaskCancelled'])(
    'is told of it when all tasks there have ended (%s)',
    async (type) => {
      await inDirectory(data, (log) =>
        new Writer(log).append('demo.task-1', submitted, { type }, { type: 'CallbackDelivered' }),
      )
      expect(assertNothingLeft(data, 'demo')).toMatch(/all of its work has ended.*capsule migrate/)
    },
  )

  it('is neither when the log was moved, until that grows', async () => {
    await inDirectory(data, (log) => new Writer(log).append('demo.task-1', submitted))
    const { url } = await cluster()
    await migrate(data, url)
    expect(assertNothingLeft(data, 'demo')).toBeUndefined()
    await inDirectory(data, (log) => new Writer(log).append('demo.task-2', submitted))
    expect(refusal(() => assertNothingLeft(data, 'demo'))).toBeInstanceOf(LogNotMoved)
  })

  it('is neither without a log, or with the signs of life of a node alone', async () => {
    expect(assertNothingLeft(data, 'demo')).toBeUndefined()
    expect(readdirSync(data)).toEqual([])
    await inDirectory(data, (log) => new Writer(log).sign('demo.node-1', 'NodeStarted'))
    expect(assertNothingLeft(data, 'demo')).toBeUndefined()
  })
})

describe('a connection string as people see it', () => {
  it.each([
    ['esdb://ann:s3cret@db:2113?tls=true&userKeyFile=/s3cret', 'esdb://db:2113'],
    ['esdb+discover://ann:s3cret@db1:2113,db2:2113/?tls=false', 'esdb+discover://db1:2113,db2:2113'],
    ['kurrentdb://db:2113', 'kurrentdb://db:2113'],
    ['esdb://ann:s3@cret@db:2113', 'esdb://db:2113'],
    ['esdb://ann:s3cret/s3cret@db:2113', 'esdb://…'],
    [' esdb://ann:s3cret@db:2113 ', 'esdb://db:2113'],
  ])('of %s is %s', (url, address) => {
    expect(addressOf(url)).toBe(address)
  })
})
