/** A backup is the log of one moment, made while the log is written to; a restore takes only what is that still. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs'
import { appendFile, copyFile, cp, mkdir, mkdtemp, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { hashOf } from '../../../src/events/files.ts'
import {
  type Backup,
  BackupBroken,
  backupCluster,
  backupDirectory,
  ChainBroken,
  CopyRefused,
  DataDirectoryInUse,
  lockDirectory,
  openEventStoreDB,
  openSqliteStore,
  restoreBackup,
  StoreUnavailable,
} from '../../../src/events/index.ts'
import { historyOf, Writer, writeHistory } from '../copy/histories.ts'
import { FakeServer, Log } from '../eventstoredb/server.ts'

const NOON = Date.UTC(2025, 0, 1, 12)
const now = () => NOON

/** A log with a history, and a backup of it: each test has copies, for making one takes longer than most of them. */
let model: { readonly data: string; readonly backup: Backup; readonly history: Awaited<ReturnType<typeof historyOf>> }
let data: string
let root: string

beforeAll(async () => {
  const there = await mkdtemp(join(tmpdir(), 'capsule-backup-'))
  const log = join(there, 'data')
  const store = await openSqliteStore({ directory: log })
  await writeHistory(store)
  const history = await historyOf(store)
  await store.close()
  model = { data: log, backup: await backupDirectory(log, { to: join(there, 'backup.db'), now }), history }
  return () => rm(there, { recursive: true, force: true, maxRetries: 5 })
})

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'capsule-backup-'))
  data = join(root, 'data')
  return () => rm(root, { recursive: true, force: true, maxRetries: 5 })
})

/** A log with a history, and a backup of it. */
async function backedUp(): Promise<Backup> {
  await write()
  const file = join(root, 'backup.db')
  for (const part of ['', '.json']) await copyFile(`${model.backup.file}${part}`, `${file}${part}`)
  return { ...model.backup, file }
}

async function write(): Promise<void> {
  await cp(model.data, data, { recursive: true })
}

async function historyIn(directory: string, app?: string) {
  const store = await openSqliteStore({ directory })
  try {
    return await historyOf(store, app)
  } finally {
    await store.close()
  }
}

/** What is in the directory of the backups, without the log's own. */
function files(): string[] {
  return readdirSync(root)
    .filter((name) => name !== 'data')
    .sort()
}

/** Makes the manifest fit a backup that was changed, as one would who means to deceive. */
async function signAgain(file: string): Promise<void> {
  const manifest = JSON.parse(await readFile(`${file}.json`, 'utf8'))
  const proof = { bytes: statSync(file).size, sha256: await hashOf(file) }
  await writeFile(`${file}.json`, JSON.stringify({ ...manifest, ...proof }))
}

describe('a backup', () => {
  it('is one file, and a manifest that proves it', async () => {
    await write()
    const made = await backupDirectory(data, { to: join(root, 'backup.db'), now })
    expect(files()).toEqual(['backup.db', 'backup.db.json'])
    expect(made).toMatchObject({
      file: join(root, 'backup.db'),
      apps: ['demo', 'other'],
      events: 43,
      head: '42',
      of: data,
    })
    expect(JSON.parse(readFileSync(`${made.file}.json`, 'utf8'))).toEqual({
      format: 1,
      apps: ['demo', 'other'],
      events: 43,
      head: '42',
      bytes: statSync(made.file).size,
      sha256: await hashOf(made.file),
      takenAt: '2025-01-01T12:00:00.000Z',
      of: data,
      version: JSON.parse(readFileSync('package.json', 'utf8')).version,
    })
  })

  it('has a name of its own in a directory', async () => {
    await write()
    const there = await backupDirectory(data, { to: root, now })
    expect(there.file).toBe(join(root, 'demo+other-20250101T120000Z.db'))
    const made = await backupDirectory(data, { to: `${join(root, 'backups')}/`, now })
    expect(made.file).toBe(join(root, 'backups', 'demo+other-20250101T120000Z.db'))
  })

  // A promise: see docs/promises.md.
  it('is the log of one moment while another process appends at full speed, which goes on', async () => {
    const acknowledged = join(root, 'acknowledged')
    const child = spawn(process.execPath, [join(import.meta.dirname, '../append-child.ts'), data, 'busy'], {
      stdio: ['ignore', openSync(acknowledged, 'w'), 'inherit'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const sizeOf = () => statSync(acknowledged).size
    const grownPast = async (size: number) => {
      while (sizeOf() <= size) await pause(5)
    }
    await grownPast(37 * 300)
    const before = readFileSync(acknowledged, 'utf8').split('\n').slice(1, -1)
    const made = await backupDirectory(data, { to: join(root, 'backup.db') })
    await grownPast(sizeOf() + 37 * 300)
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
    const after = readFileSync(acknowledged, 'utf8').split('\n').length

    await restoreBackup({ file: made.file, directory: join(root, 'restored') })
    const store = await openSqliteStore({ directory: join(root, 'restored') })
    const events = await store.readAll({ limit: 10_000_000 })
    await store.close()
    expect(events.map(({ position }) => position)).toEqual(events.map((_, i) => BigInt(i)))
    expect(events.length % 3).toBe(0)
    expect(made.events).toBe(events.length)
    const streams = new Set(events.map(({ stream }) => stream))
    expect(before.filter((id) => !streams.has(`child.task-${id}`))).toEqual([])
    expect(streams.size).toBeLessThan(after)
  }, 60_000)

  it('is made of a log that nobody has open, also after kill -9', async () => {
    const store = await openSqliteStore({ directory: data })
    await writeHistory(store)
    // As a killed process leaves them: what was appended is in the write-ahead log alone.
    const left = join(root, 'left')
    await mkdir(left)
    for (const name of ['events.db', 'events.db-wal']) await copyFile(join(data, name), join(left, name))
    await store.close()
    expect(statSync(join(left, 'events.db-wal')).size).toBeGreaterThan(0)
    const made = await backupDirectory(left, { to: join(root, 'backup.db') })
    expect(made.events).toBe(43)
  })

  it('is never written over another', async () => {
    const { file } = await backedUp()
    const bytes = readFileSync(file)
    const again = backupDirectory(data, { to: file })
    await expect(again).rejects.toMatchObject({ code: 'copy-refused', reason: 'exists' })
    await rm(file)
    await expect(backupDirectory(data, { to: file })).rejects.toBeInstanceOf(CopyRefused)
    await writeFile(file, bytes)
    expect(files()).toEqual(['backup.db', 'backup.db.json'])
  })

  it('says when there is no log', async () => {
    const error = await backupDirectory(data, { to: root }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ reason: 'no-log', message: expect.stringContaining('--data') })
    expect(files()).toEqual([])
  })

  it('is not made of a log that was tampered with: it names the event, and leaves nothing', async () => {
    await write()
    tamper(join(data, 'events.db'), "UPDATE events SET data = '{}' WHERE stream = 'demo.task-0' AND revision = 2")
    const error = await backupDirectory(data, { to: join(root, 'backup.db') }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ChainBroken)
    expect(error).toMatchObject({ stream: 'demo.task-0', revision: 2n, fault: 'altered' })
    expect(files()).toEqual([])
  })

  it('without room for it says so, and leaves nothing', async () => {
    const store = await openSqliteStore({ directory: data })
    const writer = new Writer(store)
    for (let i = 0; i < 50; i++) await writer.append('demo.task-1', { data: { text: 'x'.repeat(100_000) } })
    await store.close()
    // No file may grow past half a megabyte, which is what a full disk is to who writes.
    const child = join(import.meta.dirname, 'backup-child.ts')
    const script = `ulimit -f 1024; exec "$0" "$@"`
    const args = [process.execPath, child, 'backup', data, join(root, 'backup.db')]
    const { stderr, status } = spawnSync('sh', ['-c', script, ...args], { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toMatch(/StoreUnavailable: .*(full|cannot be used now)/)
    expect(files()).toEqual([])
  }, 30_000)

  it('at a place that cannot be written says so', async () => {
    await write()
    await writeFile(join(root, 'file'), '')
    const error = await backupDirectory(data, { to: join(root, 'file', 'backup.db') }).catch(
      (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(StoreUnavailable)
    expect(error).toMatchObject({ message: expect.stringContaining('choose another place') })
  })

  it.each(['writing', 'checking'])('killed while %s is none, and is no hindrance to the next', async (phase) => {
    await write()
    const to = join(root, 'backup.db')
    const child = join(import.meta.dirname, 'backup-child.ts')
    const { signal } = spawnSync(process.execPath, [child, 'backup', data, to, phase])
    expect(signal).toBe('SIGKILL')
    expect(files().filter((name) => !name.endsWith('.partial'))).toEqual([])
    await expect(restoreBackup({ file: to, directory: join(root, 'r') })).rejects.toMatchObject({ fault: 'unfinished' })
    expect(await backupDirectory(data, { to })).toMatchObject({ events: 43 })
  })
})

describe('a backup of a cluster', () => {
  it('has the streams of the app, and no secret of the connection string', async () => {
    const log = new Log()
    const server = await FakeServer.start({ log })
    onTestFinished(() => server.kill())
    const store = await openEventStoreDB({ url: server.url, prefix: 'demo.' })
    onTestFinished(() => store.close())
    await writeHistory(store)
    const made = await backupCluster({ store, called: 'esdb://db:2113' }, 'demo', { to: join(root, 'backup.db'), now })
    expect(made).toMatchObject({ apps: ['demo'], events: 36, of: 'esdb://db:2113' })
    expect(files()).toEqual(['backup.db', 'backup.db.json'])
    await restoreBackup({ file: made.file, directory: data })
    expect(await historyIn(data)).toEqual(await historyOf(store))
  })

  it('without events of the app says so, and leaves nothing', async () => {
    const server = await FakeServer.start({ log: new Log() })
    onTestFinished(() => server.kill())
    const store = await openEventStoreDB({ url: server.url, prefix: 'demo.' })
    onTestFinished(() => store.close())
    const made = backupCluster({ store, called: 'the cluster' }, 'demo', { to: join(root, 'backup.db') })
    await expect(made).rejects.toMatchObject({ reason: 'no-log' })
    expect(files()).toEqual([])
  })
})

describe('a restore', () => {
  it('gives the log back, without what was made of another', async () => {
    const { file } = await backedUp()
    const home = join(root, 'restored')
    await mkdir(home)
    const derived = ['read.db', 'read.db-wal', 'read.db-shm', 'moved.json', 'events.db-shm', 'events.db.partial']
    for (const name of derived) await writeFile(join(home, name), 'of another log')
    const told: string[] = []
    const restored = await restoreBackup({ file, directory: home, onProgress: ({ phase }) => told.push(phase) })
    expect(restored).toMatchObject({ directory: home, events: 43, unfinished: 0, takenAt: '2025-01-01T12:00:00.000Z' })
    expect([...new Set(told)]).toEqual(['hashing', 'checking', 'copying'])
    expect(readdirSync(home).sort()).toEqual(['events.db', 'lock.db'])
    expect(await historyIn(home)).toEqual(model.history)
    expect(await historyIn(home, 'other')).toHaveLength(3)
  })

  it('leaves the backup as it is: it can be restored again', async () => {
    const { file } = await backedUp()
    for (const name of ['a', 'b']) await restoreBackup({ file, directory: join(root, name) })
    expect(files()).toEqual(['a', 'b', 'backup.db', 'backup.db.json'])
  })

  it('counts the tasks that had not ended', async () => {
    const store = await openSqliteStore({ directory: data })
    const writer = new Writer(store)
    await writer.append('demo.task-1', { type: 'TaskSubmitted' }, { type: 'TaskStarted' })
    await writer.append('demo.task-2', { type: 'TaskSubmitted' }, { type: 'TaskStarted' }, { type: 'TaskCompleted' })
    await writer.append('demo.task-2', { type: 'CallbackDelivered' })
    await writer.append('demo.task-3', { type: 'TaskSubmitted' }, { type: 'TaskFailed' }, { type: 'TaskRequeued' })
    await store.close()
    const { file, unfinished } = await backupDirectory(data, { to: root })
    expect(unfinished).toBe(2)
    expect(await restoreBackup({ file, directory: join(root, 'restored') })).toMatchObject({ unfinished: 2 })
  })

  // A promise: see docs/promises.md.
  it('never replaces a log, nor what may be a part of one', async () => {
    const { file } = await backedUp()
    const error = await restoreBackup({ file, directory: data }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ reason: 'exists', message: expect.stringContaining('another directory') })
    expect(await historyIn(data)).toEqual(model.history)
    await rename(join(data, 'events.db'), join(data, 'events.db-wal'))
    await expect(restoreBackup({ file, directory: data })).rejects.toMatchObject({ reason: 'exists' })
  })

  it('takes the directory', async () => {
    const { file } = await backedUp()
    const home = join(root, 'restored')
    await mkdir(home)
    const lock = lockDirectory(home)
    await expect(restoreBackup({ file, directory: home })).rejects.toBeInstanceOf(DataDirectoryInUse)
    lock.release()
    await restoreBackup({ file, directory: home })
  })

  it.each(['hashing', 'checking', 'copying'])('killed while %s leaves no log, and is done again', async (phase) => {
    const { file } = await backedUp()
    const home = join(root, 'restored')
    const child = join(import.meta.dirname, 'backup-child.ts')
    const { signal } = spawnSync(process.execPath, [child, 'restore', home, file, phase])
    expect(signal).toBe('SIGKILL')
    expect(existsSync(join(home, 'events.db'))).toBe(false)
    await restoreBackup({ file, directory: home })
    expect(await historyIn(home)).toEqual(model.history)
  })

  it('puts nothing in place of which the bytes changed while it was copied', async () => {
    const { file } = await backedUp()
    const home = join(root, 'restored')
    const onProgress = ({ phase }: { phase: string }) => {
      if (phase === 'checking') writeSync(openSync(file, 'r+'), Buffer.from([0xa5]), 0, 1, 5000)
    }
    const error = await restoreBackup({ file, directory: home, onProgress }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ fault: 'altered', message: expect.stringContaining('SHA-256') })
    expect(readdirSync(home)).toEqual(['lock.db'])
  })

  it('to a place that cannot be a directory says so', async () => {
    const { file } = await backedUp()
    await writeFile(join(root, 'file'), '')
    await expect(restoreBackup({ file, directory: join(root, 'file') })).rejects.toThrow(
      /cannot be written.*another place/,
    )
  })
})

describe('a backup that is not what was made is not restored', () => {
  async function refusal(file: string): Promise<unknown> {
    const home = join(root, 'restored')
    const error = await restoreBackup({ file, directory: home }).catch((reason: unknown) => reason)
    expect(existsSync(home)).toBe(false)
    return error
  }

  // A promise: see docs/promises.md.
  it('when a byte is another', async () => {
    const { file } = await backedUp()
    const handle = await open(file, 'r+')
    await handle.write(Buffer.from([0xa5]), 0, 1, 5000)
    await handle.close()
    const error = await refusal(file)
    expect(error).toBeInstanceOf(BackupBroken)
    expect(error).toMatchObject({ file, fault: 'altered', message: expect.stringContaining('SHA-256') })
  })

  it('when it is cut off, or longer', async () => {
    const { file, bytes } = await backedUp()
    await appendFile(file, 'x')
    expect(await refusal(file)).toMatchObject({
      fault: 'altered',
      message: expect.stringContaining(`${bytes + 1} bytes`),
    })
    await writeFile(file, readFileSync(file).subarray(0, 4096))
    expect(await refusal(file)).toMatchObject({ fault: 'altered', message: expect.stringContaining('4096 bytes') })
  })

  it('when half of it is missing', async () => {
    const { file } = await backedUp()
    await rename(`${file}.json`, join(root, 'elsewhere'))
    expect(await refusal(file)).toMatchObject({ fault: 'unfinished', message: expect.stringContaining('.json') })
    await rename(join(root, 'elsewhere'), `${file}.json`)
    await rm(file)
    expect(await refusal(file)).toMatchObject({ fault: 'unfinished' })
  })

  it('when it may not be read, which is no reason to take another', async () => {
    const { file } = await backedUp()
    await rm(`${file}.json`)
    await mkdir(`${file}.json`)
    const error = await restoreBackup({ file, directory: join(root, 'restored') }).catch((reason) => reason)
    expect(error).toBeInstanceOf(StoreUnavailable)
    expect(error.message).toMatch(/backup\.db\.json cannot be read \(.+\)\. Let this process read it/)
  })

  it('when the manifest is no manifest, or a later one', async () => {
    const { file } = await backedUp()
    const text = readFileSync(`${file}.json`, 'utf8')
    await writeFile(`${file}.json`, text.slice(0, 40))
    expect(await refusal(file)).toMatchObject({ fault: 'altered' })
    await writeFile(`${file}.json`, text.replace('"format": 1', '"format": 2'))
    expect(await refusal(file)).toMatchObject({ fault: 'unknown-format', message: expect.stringContaining('format 2') })
  })

  // A promise: see docs/promises.md.
  it('when an event was changed and the manifest made to fit: it names the event', async () => {
    const { file } = await backedUp()
    tamper(file, "UPDATE events SET data = '{}' WHERE stream = 'demo.task-1' AND revision = 4")
    await signAgain(file)
    const error = await refusal(file)
    expect(error).toBeInstanceOf(ChainBroken)
    expect(error).toMatchObject({ stream: 'demo.task-1', revision: 4n, fault: 'altered' })
  })

  it('when the end was cut off and the manifest made to fit in bytes', async () => {
    const { file } = await backedUp()
    tamper(file, 'DELETE FROM events WHERE position > 30')
    await signAgain(file)
    expect(await refusal(file)).toMatchObject({ fault: 'altered', message: expect.stringContaining('43 up to 42') })
  })

  it('when its pages are damaged and the manifest made to fit', async () => {
    const { file, bytes } = await backedUp()
    const handle = await open(file, 'r+')
    await handle.write(Buffer.alloc(4096, 0xa5), 0, 4096, bytes - 4096)
    await handle.close()
    await signAgain(file)
    expect(await refusal(file)).toMatchObject({ fault: 'damaged', message: expect.stringContaining('is damaged') })
  })
})

function tamper(file: string, sql: string): void {
  const db = new DatabaseSync(file)
  db.exec(sql)
  db.close()
}
