/** Processes that do not get ready: whoever waits for one hears why. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../src/actors/index.ts'
import { ProcessPool } from '../../src/execution/process/pool.ts'
import { isGone } from './running.ts'

function taken(entry: string, startMs: number) {
  const module = new URL('./apps/unready.ts', import.meta.url).href
  const pool = new ProcessPool({ guest: { module, entry, app: 'unready' }, clock: systemClock, startMs })
  onTestFinished(() => pool.close())
  return pool.take(undefined, new AbortController().signal)
}

describe('a process', { timeout: 30_000 }, () => {
  it('that does not get ready is given up, and says what it printed', async () => {
    const failed = await taken('file:///wait', 5_000).catch((error) => error)
    expect(failed).toMatchObject({ name: 'ProcessUnfit' })
    expect(failed.message).toMatch(
      /had not loaded file:\/\/\/wait after 5 s\. .*connect in handlers\. It printed: no licence$/,
    )
  })

  it('that ends before it is ready tells how, and what it printed', async () => {
    const failed = await taken('file:///exit', 30_000).catch((error) => error)
    expect(failed).toMatchObject({ name: 'ProcessDied', exitCode: 4 })
    expect(failed.message).toMatch(/exit code 4 before it had loaded file:\/\/\/exit\. It printed: no licence$/)
    expect(isGone(failed.pid)).toBe(true)
  })
})
