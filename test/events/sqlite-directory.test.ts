import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { DataDirectoryInUse, lockDirectory, openSqliteStore, START, StoreUnavailable } from '../../src/events/index.ts'
import { LOOK_EVERY_MS } from '../../src/events/stores/sqlite/place.ts'
import { appendingProcess, directory, event, givenDirectory, kill, openStore, tamper } from './sqlite-given.ts'

givenDirectory()

describe('one process per directory', () => {
  // A promise: see docs/promises.md.
  it('refuses a second store, names the process that has it, and opens once that has closed', async () => {
    const first = await openStore()
    const error = await openSqliteStore({ directory }).catch((reason) => reason)
    expect(error).toBeInstanceOf(DataDirectoryInUse)
    expect(error).toMatchObject({ directory, pid: process.pid })
    await first.append('a.task-1', 'no-stream', [event()])
    await first.close()
    expect(await (await openStore()).readStream('a.task-1')).toHaveLength(1)
  })

  it('refuses while another process has it, and opens at once when that was killed', async () => {
    const { child } = await appendingProcess('idle')
    await expect(openSqliteStore({ directory })).rejects.toMatchObject({
      code: 'data-directory-in-use',
      pid: child.pid,
    })
    await kill(child)
    expect(await (await openStore()).head()).toBe(START)
  }, 20_000)

  // A promise: see docs/promises.md.
  it('has every acknowledged append after kill -9, and no part of one', async () => {
    const { child, lines } = await appendingProcess('busy')
    const acknowledged: string[] = []
    for (let line = await lines.next(); !line.done; line = await lines.next()) {
      acknowledged.push(line.value)
      if (acknowledged.length === 500) child.kill('SIGKILL')
    }
    expect(acknowledged.length).toBeGreaterThanOrEqual(500)
    const all = await (await openStore()).readAll({ limit: 1_000_000 })
    const streams = Map.groupBy(all, (one) => one.stream)
    for (const id of acknowledged) expect(streams.has(`child.task-${id}`)).toBe(true)
    for (const [name, recorded] of streams) {
      expect(recorded.map((one) => one.revision)).toEqual([0n, 1n, 2n])
      expect(name).toBe(`child.task-${recorded[0]?.id}`)
    }
    expect(all.map((one) => one.position)).toEqual(all.map((_, i) => BigInt(i)))
  }, 30_000)
})

describe('a directory that cannot be used', () => {
  it('says so when it is a file', async () => {
    const file = join(directory, 'file')
    await writeFile(file, '')
    const error = await openSqliteStore({ directory: file }).catch((reason) => reason)
    expect(error).toBeInstanceOf(StoreUnavailable)
    expect(error).toMatchObject({ retryable: false, message: expect.stringContaining('data directory') })
  })

  it('says so when the file is of another program', async () => {
    tamper('CREATE TABLE other (a)')
    await expect(openSqliteStore({ directory })).rejects.toThrow(/another program/)
  })

  it('says so when a newer version wrote it, and leaves it alone', async () => {
    await (await openStore()).close()
    tamper('PRAGMA user_version = 99')
    await expect(openSqliteStore({ directory })).rejects.toThrow(/newer version.*99/)
    tamper('PRAGMA user_version = 2')
    await openStore()
  })

  it('says so when its lock is not to be written to, which would keep nobody out', async () => {
    lockDirectory(directory).release()
    await chmod(join(directory, 'lock.db'), 0o444)
    await chmod(directory, 0o777)
    // The superuser could write to it all the same.
    const isRoot = process.geteuid?.() === 0
    if (isRoot) process.seteuid?.(65_534)
    try {
      expect(() => lockDirectory(directory)).toThrow(/cannot write to \S+lock\.db, .*Give it to the user/)
    } finally {
      if (isRoot) process.seteuid?.(0)
    }
    await chmod(join(directory, 'lock.db'), 0o644)
    await openStore()
  })

  it('is free again after it could not be opened', async () => {
    tamper('CREATE TABLE other (a)')
    await expect(openSqliteStore({ directory })).rejects.toThrow()
    await expect(openSqliteStore({ directory })).rejects.toThrow(/another program/)
  })
})

describe('files that are not where they were opened', () => {
  it.each(['events.db', 'events.db-wal', 'lock.db'])(
    'take no more events: %s; they do when it is back',
    async (name) => {
      const one = await openStore()
      await one.append('a.task-1', 'no-stream', [event()])
      const file = join(directory, name)
      await rename(file, `${file}.away`)
      await pause(LOOK_EVERY_MS)
      const batch = [event()]
      const error = await one.append('a.task-1', 0n, batch).catch((reason) => reason)
      expect(error).toBeInstanceOf(StoreUnavailable)
      expect(error).toMatchObject({ retryable: true, message: expect.stringContaining(file) })
      await expect(one.head()).rejects.toThrow(/deleted, moved or replaced/)
      expect(await one.readStream('a.task-1')).toHaveLength(1)
      await rename(`${file}.away`, file)
      expect(await one.append('a.task-1', 0n, batch)).toEqual({ revision: 1n, position: 1n })
      expect(await one.head()).toBe(1n)
    },
  )

  it('take no more events when others stand in their place, and leave those alone at the end', async () => {
    const one = await openStore()
    await one.append('a.task-1', 'no-stream', [event()])
    await rm(directory, { recursive: true })
    await mkdir(directory)
    const other = await openSqliteStore({ directory })
    await other.append('a.task-2', 'no-stream', [event()])
    await pause(LOOK_EVERY_MS)
    await expect(one.append('a.task-1', 0n, [event()])).rejects.toThrow(/deleted, moved or replaced/)
    await one.close()
    await other.append('a.task-2', 0n, [event()])
    await other.close()
    expect((await (await openStore()).readAll()).map(({ stream }) => stream)).toEqual(['a.task-2', 'a.task-2'])
  })
})
