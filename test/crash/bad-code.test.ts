/** What code that should not have been written does to a real server: to itself what was promised, to its neighbours nothing. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { isGone, pidsIn } from '../process/running.ts'
import { boardDifferences } from './board.ts'
import { type History, settled, violations } from './history.ts'
import {
  complaints,
  eventually,
  type RunningServer,
  serve,
  start,
  submit,
  temporaryDirectory,
  until,
} from './server.ts'

vi.setConfig({ testTimeout: 180_000, maxConcurrency: 2 })

const APP = 'test/crash/apps/rude.ts'

const thrown = [
  ['text', 'out of paper'],
  ['nothing', 'undefined'],
  ['object', '{"reason":"jam"}'],
  ['circular', '[object Object]'],
  ['hostile', '[object Object]'],
] as const

describe('a handler', () => {
  let data: string
  let server: RunningServer
  beforeAll(async () => {
    data = await temporaryDirectory()
    server = await serve({ app: APP, data })
  })
  afterAll(() => server.kill())

  it('that throws what is no Error fails with what it threw, and the server goes on', async () => {
    for (const [what, printed] of thrown) {
      const { error } = await until(server, await submit(server, 'throws', { what }), 'failed')
      expect(error, what).toMatchObject({ type: 'NonError', message: `Not an Error was thrown: ${printed}` })
    }
    await until(server, await submit(server, 'quick', {}), 'completed')
    expect(violations(await settled(data))).toEqual([])
    expect(complaints(server)).toEqual([])
  })

  it('that holds the event loop is named with the advice, and everything else runs after it', async () => {
    const [blocker, ...others] = await Promise.all([
      submit(server, 'blocks', { ms: 1_500 }),
      ...Array.from({ length: 10 }, () => submit(server, 'quick', {})),
    ])
    for (const job of [blocker, ...others]) await until(server, job, 'completed')
    const warning = /Task blocks.* held the event loop for \d+\.\d s: .*process: true/
    await eventually('the warning', () => warning.test(server.stderr) || undefined)
    expect(violations(await settled(data))).toEqual([])
  })
})

/** What a server says at each of its ends by the task of that name. */
const ENDS = [
  'a promise that nobody waits for',
  'a timer that nobody watches',
  'code of the app ended the process (process.exit(0))',
]

describe.concurrent('what a handler left running', () => {
  it('is told that it may not go on; the server goes on, and stops as it is asked to', async () => {
    const data = await temporaryDirectory()
    const server = await serve({ app: APP, data })
    await until(server, await submit(server, 'leaves', { gate: join(data, 'gate') }), 'completed')
    const told =
      /^capsule: a call that a handler did not wait for \(.*rude\.ts:\d+:\d+\): This attempt of task .* Stop working\.$/
    await eventually('the refusal', () => complaints(server).some((line) => told.test(line)) || undefined)
    await until(server, await submit(server, 'quick', {}), 'completed')
    expect(await server.end('SIGTERM')).toEqual({ code: 1, signal: null })
    expect(server.stderr).toMatch(/some work was interrupted/)
  })
})

/** Somebody starts the server again each time that it ended; the last one stays. */
describe.concurrent('a task that ends its process, whichever way', () => {
  it('is run alone after two crashes and failed after the third; its neighbour completes', async () => {
    const data = await temporaryDirectory()
    const gate = join(data, 'gate')
    const first = start({ app: APP, data })
    const server = await first.ready
    const neighbour = await submit(server, 'gate', { file: gate })
    await until(server, neighbour, 'running')
    // Whether the answer comes before the end is open.
    await submit(server, 'ends', {}).catch(() => {})
    for (const [index, says] of ENDS.entries()) {
      const isLast = index === ENDS.length - 1
      if (isLast) await writeFile(gate, '')
      const doomed = index === 0 ? first : start({ app: APP, data })
      expect(await doomed.exited, says).toEqual({ code: 1, signal: null })
      expect(doomed.stderr()).toContain(says)
    }
    const last = await serve({ app: APP, data })
    const history = await settled(data)
    expect(violations(history)).toEqual([])
    expect(outcomes(history)).toEqual({ gate: 'completed', ends: 'failed Poisoned' })
    expect(await boardDifferences(last, history)).toEqual([])
    await last.kill()
  })
})

function outcomes({ jobs }: History): Record<string, string> {
  return Object.fromEntries(
    [...jobs.values()].map(({ name, status, error }) => [name, error ? `${status} ${error.type}` : status]),
  )
}

describe.concurrent('a process task whose server gets -9', () => {
  it('is gone with it, even in a busy loop, and runs again; its command is gone too', async () => {
    const data = await temporaryDirectory()
    const options = { app: 'test/crash/apps/busy.ts', data }
    const files = { busy: join(data, 'pids'), shell: join(data, 'shell') }
    const first = await serve(options)
    const job = await submit(first, 'busy', { file: files.busy })
    const command = `echo "{\\"pid\\": $$, \\"grandchild\\": $$}" > ${files.shell}; sleep 600`
    await submit(first, 'shell', { command })
    const { pid, grandchild } = await pidsIn(files.busy)
    const { pid: shell } = await pidsIn(files.shell)
    void first.kill()
    const killed = performance.now()
    await eventually('their end', () => [pid, grandchild, shell].every(isGone) || undefined)
    console.info(`processes gone ${Math.round(performance.now() - killed)} ms after kill -9 of the app`)

    const second = await serve(options)
    expect(await until(second, job, 'completed')).toMatchObject({ attempt: 2, result: { attempt: 2 } })
    const history = await settled(data)
    expect(violations(history)).toEqual([])
    const interrupted = history.events.filter(({ type }) => type === 'TaskInterrupted')
    expect(interrupted.map((event) => event.data.cause)).toEqual(['crash'])
    await second.kill()
  })
})
