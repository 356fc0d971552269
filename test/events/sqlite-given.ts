/** A data directory for each test of the embedded store, and what writes to it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, onTestFinished } from 'vitest'
import { type EventData, openSqliteStore, type SqliteStore } from '../../src/events/index.ts'

/** Of the test that runs: a new one for each. */
export let directory: string
let store: SqliteStore | undefined

/** To be called once by a file of tests. */
export function givenDirectory(): void {
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'capsule-sqlite-'))
  })

  afterEach(async () => {
    await store?.close()
    store = undefined
    await rm(directory, { recursive: true })
  })
}

export async function openStore(now?: () => number): Promise<SqliteStore> {
  store = await openSqliteStore({ directory, ...(now && { now }) })
  return store
}

export function event(type = 'Noted', text = 'x'): EventData {
  return {
    id: randomUUID(),
    type,
    data: { text },
    metadata: { at: '2025-01-01T00:00:00.000Z', by: 'system', correlationId: 'c', causationId: 'c', v: 1 },
  }
}

/** Starts a process with the log open; resolves when it has it. */
export async function appendingProcess(
  mode: 'idle' | 'busy' | 'delete',
  env: NodeJS.ProcessEnv = {},
): Promise<{ child: ChildProcess; lines: AsyncIterator<string> }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'append-child.ts'), directory, mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  expect((await lines.next()).value).toBe('open')
  return { child, lines }
}

export async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

/** Changes the closed log behind the store's back. */
export function tamper(sql: string): void {
  const db = new DatabaseSync(join(directory, 'events.db'))
  db.exec(sql)
  db.close()
}
