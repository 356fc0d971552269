/** Threads that were started ahead of who takes them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it, onTestFinished, vi } from 'vitest'
import { openSqliteStore, START, startAhead } from '../../src/events/index.ts'

afterEach(() => void vi.useRealTimers())

it('gives no thread that nobody took in time: on a busy machine loading takes as long, and it was just told to end', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'threads-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  startAhead('capsule-log-writer')
  vi.advanceTimersByTime(60_000)
  vi.useRealTimers()

  const store = await openSqliteStore({ directory })
  expect(await store.head()).toBe(START)
  await store.close()
})
