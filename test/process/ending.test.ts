/** How a task's process ends: on cancel, on its timeout, with the app, by its memory; always with all that it started. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import * as apart from './apps/apart.ts'
import { eventsOf, eventually, isGone, pidsIn, running, scratch, typesOf } from './running.ts'

const app = running()
const root = join(import.meta.dirname, '../..')

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

  it('that is killed with -9 takes what it started with it, and runs again', async () => {
    const directory = await scratch()
    const handle = await apart.stubborn.submit({ file: join(directory, 'pids'), attempts: 1 })
    const { pid, grandchild } = await pidsIn(join(directory, 'pids'))
    process.kill(pid, 'SIGKILL')
    await handle.result()
    expect(isGone(grandchild)).toBe(true)
    expect(await typesOf(app(), handle.taskId)).toContain('TaskInterrupted')
  })

  it('that holds its event loop does not hold up the app', async () => {
    const file = join(await scratch(), 'pids')
    const busy = await apart.stubborn.submit({ file })
    await pidsIn(file)
    const helped = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => (await apart.helper.submit({ of: `${index}` })).result()),
    )
    expect(helped).toHaveLength(50)
    expect(await busy.status()).toBe('running')
    await busy.cancel()
    await eventually('its end', async () => (await busy.status()) === 'cancelled' || undefined)
  })

  // A promise: see docs/promises.md.
  it.each(['buffers', 'heap'] as const)('over its memory limit (%s) dies alone, and says by how much', async (what) => {
    const greedy = await apart.greedy.submit({ what })
    const others = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => (await apart.helper.submit({ of: `${index}` })).result()),
    )
    expect(others).toHaveLength(50)
    await expect(greedy.result()).rejects.toThrow(/Its process \(\d+\) .*limit.* 256 MiB/)
    const error = (await eventsOf(app(), greedy.taskId)).at(-1)?.data.error
    expect(error).toMatchObject({ type: 'TaskInterrupted' })
  })

  it.skipIf(process.platform === 'win32')('that has no files left for its process does not end the app', async () => {
    const program = join(import.meta.dirname, 'apps/exhausted.ts')
    const few = spawn('sh', ['-c', `ulimit -n 120; exec "${process.execPath}" "${program}"`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    expect(await text(few.stdout)).toBe('went on\n')
  })

  // A promise: see docs/promises.md.
  it('dies when the app is killed with -9, even in a busy loop; its command dies too', async () => {
    const directory = await scratch()
    const { server, url } = await serve(join(directory, 'data'))
    const files = { stubborn: join(directory, 'pids'), shell: join(directory, 'shell') }
    const submit = (task: string, params: object) =>
      fetch(`${url}/api/v1/tasks/${task}/$submit`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ params }),
      }).then(async (response) => expect(response.ok, await response.text()).toBe(true))
    await submit('stubborn', { file: files.stubborn })
    const command = `echo "{\\"pid\\": $$, \\"grandchild\\": $$}" > ${files.shell}; sleep 600`
    await submit('shell', { command })
    const { pid, grandchild } = await pidsIn(files.stubborn)
    const { pid: shell } = await pidsIn(files.shell)
    server.kill('SIGKILL')
    const killed = performance.now()
    await eventually('their end', () => [pid, grandchild, shell].every(isGone) || undefined)
    console.info(`processes gone ${Math.round(performance.now() - killed)} ms after kill -9 of the app`)
  })
})

async function serve(data: string): Promise<{ readonly server: ChildProcess; readonly url: string }> {
  const program = [join(root, 'src/cli/bin.ts'), 'serve', join(import.meta.dirname, 'apps/apart.ts')]
  const server = spawn(process.execPath, [...program, '--port', '0', '--data', data], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(async () => {
    if (server.exitCode !== null || server.signalCode !== null) return
    server.kill('SIGKILL')
    await once(server, 'exit')
  })
  for await (const line of createInterface(server.stdout)) {
    const url = /http:\S+/.exec(line)?.[0]
    if (url) return { server, url }
  }
  throw new Error('The server did not start.')
}
