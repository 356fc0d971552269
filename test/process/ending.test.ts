/** How a task's process ends: on cancel, on its timeout, with the app, by its memory; always with all that it started. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import * as apart from './apps/apart.ts'
import { greedy, app as greedyApp, modest } from './apps/greedy.ts'
import { eventsOf, eventually, isGone, pidsIn, running, scratch, typesOf } from './running.ts'

const app = running(apart.app)

describe('a process task', { timeout: 30_000 }, () => {
  it('hears that it is cancelled, and ends as cancelled', async () => {
    const handle = await apart.patient.submit({})
    await eventually('its start', async () => (await handle.status()) === 'running' || undefined)
    await handle.cancel('not needed')
    await eventually('its end', async () => (await handle.status()) === 'cancelled' || undefined)
    expect((await eventsOf(app(), handle.taskId)).at(-1)?.data.reason).toBe('not needed')
  })

  // A promise: see docs/promises.md.
  it('that does not stop when it is cancelled is killed after its grace period, with what it started', async () => {
    const file = join(await scratch(), 'pids')
    const handle = await apart.stubborn.submit({ file })
    const { pid, grandchild } = await pidsIn(file)
    await handle.cancel()
    await eventually('its end', async () => (await handle.status()) === 'cancelled' || undefined)
    await eventually('the end of its group', () => (isGone(pid) && isGone(grandchild)) || undefined)
  })

  // A promise: see docs/promises.md.
  it('is killed for its timeout, with what it started', async () => {
    const file = join(await scratch(), 'pids')
    const handle = await apart.late.submit({ file })
    const { pid, grandchild } = await pidsIn(file)
    await handle.result().catch(() => {})
    expect(await handle.status()).toBe('timeout')
    await eventually('the end of its group', () => (isGone(pid) && isGone(grandchild)) || undefined)
  })

  it('that holds its event loop does not hold up the app; killed with -9 it takes what it started with it, and runs again', async () => {
    const file = join(await scratch(), 'pids')
    const busy = await apart.stubborn.submit({ file, attempts: 1 })
    const { pid, grandchild } = await pidsIn(file)
    const helped = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => (await apart.helper.submit({ of: `${index}` })).result()),
    )
    expect(helped).toHaveLength(50)
    expect(await busy.status()).toBe('running')
    process.kill(pid, 'SIGKILL')
    await busy.result()
    expect(isGone(grandchild)).toBe(true)
    expect(await typesOf(app(), busy.taskId)).toContain('TaskInterrupted')
  })

  it.skipIf(process.platform === 'win32')('that has no files left for its process does not end the app', async () => {
    const program = join(import.meta.dirname, 'apps/exhausted.ts')
    const few = spawn('sh', ['-c', `ulimit -n 120; exec "${process.execPath}" "${program}"`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    expect(await text(few.stdout)).toBe('went on\n')
  })
})

describe('a process task', { timeout: 30_000 }, () => {
  const engine = running(greedyApp)

  // A promise: see docs/promises.md.
  it.each(['buffers', 'heap'] as const)('over its memory limit (%s) dies alone, and says by how much', async (what) => {
    const handle = await greedy.submit({ what })
    const others = await Promise.all(Array.from({ length: 50 }, async () => (await modest.submit({})).result()))
    expect(others).toHaveLength(50)
    await expect(handle.result()).rejects.toThrow(/Its process \(\d+\) .*limit.* 256 MiB/)
    const error = (await eventsOf(engine(), handle.taskId)).at(-1)?.data.error
    expect(error).toMatchObject({ type: 'TaskInterrupted' })
  })
})
