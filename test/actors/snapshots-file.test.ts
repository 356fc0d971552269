/** snapshots.db may be lost, damaged or somebody else's at any time: what it held is not there, and nobody hears of it. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteSnapshots, type Snapshot, type SnapshotStore } from '../../src/actors/index.ts'

const VERSION = '1.0.0/setting/1'

async function place() {
  const directory = await mkdtemp(join(tmpdir(), 'capsule-snapshots-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const file = join(directory, 'snapshots.db')
  const problems: string[] = []
  const open = (most?: number): SnapshotStore => {
    const report = (error: unknown, doing: string): void => void problems.push(`${doing}: ${error}`)
    const snapshots = openSqliteSnapshots({ file, report, ...(most === undefined ? {} : { most }) })
    onTestFinished(() => snapshots.close())
    return snapshots
  }
  return { file, problems, open }
}

function snapshotAt(revision: number, bytes = 10): Snapshot {
  return { revision, id: `e${revision}`, hash: 'a'.repeat(64), state: new Uint8Array(bytes).fill(revision) }
}

const streams = (count: number) => Array.from({ length: count }, (_, n) => `demo.session-${n}`)

test('a snapshot takes the place of the stream’s former one, and is there after the file was opened again', async () => {
  const { open, problems } = await place()
  const first = open()
  first.save('a', VERSION, snapshotAt(4))
  first.save('a', VERSION, snapshotAt(9))
  first.save('b', VERSION, snapshotAt(5))
  first.close()
  const second = open()
  expect(second.load('a', VERSION)).toEqual(snapshotAt(9))
  expect(second.load('b', VERSION)).toEqual(snapshotAt(5))
  second.drop('b')
  expect(second.load('b', VERSION)).toBeUndefined()
  expect(second.load('c', VERSION)).toBeUndefined()
  expect(problems).toEqual([])
})

test('a snapshot of other code is not there, and is replaced', async () => {
  const { open } = await place()
  const snapshots = open()
  snapshots.save('a', VERSION, snapshotAt(4))
  expect(snapshots.load('a', '1.0.1/setting/1')).toBeUndefined()
  snapshots.save('a', '1.0.1/setting/1', snapshotAt(6))
  expect(snapshots.load('a', VERSION)).toBeUndefined()
  expect(snapshots.load('a', '1.0.1/setting/1')).toEqual(snapshotAt(6))
})

test('no more are kept than the file is for: those saved longest ago go first', async () => {
  const { open } = await place()
  const first = open(3)
  const [a = '', b = '', c = '', d = '', e = ''] = streams(5)
  for (const stream of [a, b, c]) first.save(stream, VERSION, snapshotAt(4))
  first.save(a, VERSION, snapshotAt(9))
  first.save(d, VERSION, snapshotAt(4))
  first.close()
  const second = open(3)
  second.save(e, VERSION, snapshotAt(4))
  expect([a, b, c, d, e].filter((stream) => second.load(stream, VERSION))).toEqual([a, d, e])
})

test.each([
  ['no database', (file: string) => writeFileSync(file, 'not a database, but long enough to look at '.repeat(100))],
  ['an empty file', (file: string) => writeFileSync(file, '')],
  ['somebody else’s database', foreign],
  ['cut off', (file: string) => writeFileSync(file, readFileSync(file).subarray(0, 6000))],
  ['torn in the middle', (file: string) => writeFileSync(file, readFileSync(file).fill(0xff, 4096, 40_000))],
  ['deleted', (file: string) => rmSync(file)],
])('a file that is %s is begun again, and nobody hears of it', async (_, damage) => {
  const { file, open, problems } = await place()
  const first = open()
  for (const stream of streams(30)) first.save(stream, VERSION, snapshotAt(4, 4000))
  first.close()
  damage(file)
  const second = open()
  for (const stream of streams(30)) {
    const found = second.load(stream, VERSION)
    if (found) expect(found).toEqual(snapshotAt(4, 4000))
  }
  // The first may be the one that finds the damage.
  for (const revision of [6, 7]) second.save('a', VERSION, snapshotAt(revision))
  expect(second.load('a', VERSION)).toEqual(snapshotAt(7))
  second.close()
  expect(open().load('a', VERSION)).toEqual(snapshotAt(7))
  expect(problems).toEqual([])
})

test('a state whose bytes were changed is not handed out', async () => {
  const { file, open, problems } = await place()
  const first = open()
  first.save('a', VERSION, snapshotAt(4))
  first.close()
  const db = new DatabaseSync(file)
  db.prepare('UPDATE snapshots SET state = ?').run(new Uint8Array(10).fill(5))
  db.close()
  expect(open().load('a', VERSION)).toBeUndefined()
  expect(problems).toEqual([])
})

test('a file that cannot be opened is told once, and the app goes on without', async () => {
  const { file, open, problems } = await place()
  mkdirSync(file)
  const snapshots = open()
  snapshots.save('a', VERSION, snapshotAt(4))
  expect(snapshots.load('a', VERSION)).toBeUndefined()
  expect(problems).toEqual([expect.stringContaining('it goes on without snapshots')])
})

test('what comes after the close is not kept', async () => {
  const { open, problems } = await place()
  const first = open()
  first.save('a', VERSION, snapshotAt(4))
  first.close()
  first.save('b', VERSION, snapshotAt(4))
  expect(first.load('a', VERSION)).toBeUndefined()
  first.close()
  expect(open().load('b', VERSION)).toBeUndefined()
  expect(problems).toEqual([])
})

test('no second file is left beside it while it is closed', async () => {
  const { file, open } = await place()
  const snapshots = open()
  snapshots.save('a', VERSION, snapshotAt(4))
  snapshots.close()
  expect(existsSync(`${file}-wal`) || existsSync(`${file}-shm`)).toBe(false)
})

function foreign(file: string): void {
  rmSync(file)
  const db = new DatabaseSync(file)
  db.exec('CREATE TABLE snapshots (stream TEXT, price INTEGER)')
  db.close()
}
