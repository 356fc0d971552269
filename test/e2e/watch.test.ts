/** `capsule serve --watch`: who saves a file goes on with the new code where the old one was, and Ctrl+C leaves nothing. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import type { Job } from '../../src/http/wire.ts'
import {
  eventually,
  pressCtrlC,
  ROOT,
  type RunningServer,
  run,
  type ServeOptions,
  type StartedServer,
  serve,
  start,
  submit,
  temporaryDirectory,
} from '../crash/server.ts'
import { isGone } from '../process/running.ts'

vi.setConfig({ testTimeout: 90_000, maxConcurrency: 2 })

const APP = `
import { existsSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp } from ${JSON.stringify(join(ROOT, 'dist/index.js'))}
import { version } from './version.ts'

export const app = createApp({ name: 'watched' })

const report = () => ({ version, pid: process.pid })
app.task('report', {}, async () => report())
app.task('first', {}, async (_input, { signal }) => {
  if (version === 'one') await sleep(600_000, undefined, { signal })
  return report()
})
app.task('held', {}, async (_input, { signal }) => {
  while (!existsSync(new URL('gate', import.meta.url))) await sleep(10, undefined, { signal })
})
// Without a turn of a loop, which would cost ten seconds of a processor.
app.task('blocks', {}, async (_input, { taskId }) => {
  writeFileSync(new URL('blocking', import.meta.url), taskId)
  if (version === 'one') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  return report()
})
`

const report = z.object({ version: z.string(), pid: z.number() })
type Report = z.infer<typeof report>

interface Files {
  readonly directory: string
  readonly app: string
  readonly version: string
}

/** An app in two files, of version one. */
async function appFiles(): Promise<Files> {
  const directory = await temporaryDirectory()
  const files = { directory, app: join(directory, 'app.ts'), version: join(directory, 'version.ts') }
  await writeFile(files.app, APP)
  await writeFile(files.version, versionOf('one'))
  return files
}

const versionOf = (name: string): string => `export const version = '${name}'\n`

const watching = ({ directory, app }: Files): ServeOptions => ({
  app,
  data: join(directory, 'data'),
  args: ['--watch'],
})

/** What the job returned, once it has completed; the server may be away meanwhile. */
function reported(server: RunningServer, { id }: Pick<Job, 'id'>): Promise<Report> {
  return eventually(`job ${id} to be completed`, async () => {
    const answer = await server.ask<Job>('GET', `/api/v1/jobs/${id}`).catch(() => undefined)
    return answer?.body.status === 'completed' ? report.parse(answer.body.result) : undefined
  })
}

/** Which process serves now, and what code. */
async function asked(server: RunningServer): Promise<Report> {
  const job = await eventually('a server', () => submit(server, 'report', {}).catch(() => undefined))
  return reported(server, job)
}

async function running(server: RunningServer, task: string): Promise<Job> {
  const job = await submit(server, task, {})
  return eventually(`${task} to run`, async () => {
    const { body } = await server.ask<Job>('GET', `/api/v1/jobs/${job.id}`)
    return body.status === 'running' ? body : undefined
  })
}

type Watching = RunningServer | StartedServer

const said = (server: Watching, what: string, times = 1): Promise<true> =>
  eventually(`"${what}" on stderr`, () => timesSaid(server, what) >= times || undefined)

const timesSaid = ({ stderr }: Watching, what: string): number =>
  (typeof stderr === 'string' ? stderr : stderr()).split(what).length - 1

describe.concurrent('a change of a file that the app imports', () => {
  it('is served at the same address; what ran runs again under the new code, and Ctrl+C waits for what runs then', async () => {
    const files = await appFiles()
    const server = await serve({ ...watching(files), leads: true })
    const before = await asked(server)
    expect(before.version).toBe('one')
    const first = await running(server, 'first')
    const later = await submit(server, 'report', {}, { delay: '3s' })

    // An editor, a formatter, version control: they save more than once.
    for (const name of ['almost', 'nearly', 'two']) writeFileSync(files.version, versionOf(name))

    const after = await reported(server, first)
    expect(after.version).toBe('two')
    expect(after.pid).not.toBe(before.pid)
    expect(await reported(server, later)).toEqual(after)
    expect(await asked(server)).toEqual(after)
    expect(timesSaid(server, 'version.ts changed: starting again')).toBe(1)
    expect(isGone(before.pid)).toBe(true)

    await running(server, 'held')
    // It tells all processes of a terminal. Only what watches hears it, which cannot pass it on yet: the server would take a
    // second one for "at once".
    process.kill(server.pid, 'SIGSTOP')
    const exited = pressCtrlC(server)
    expect(await asked(server)).toEqual(after)
    process.kill(server.pid, 'SIGCONT')
    await said(server, 'waiting for running work', 2)
    await writeFile(join(files.directory, 'gate'), '')
    // 1 if it had been interrupted.
    expect(await exited).toEqual({ code: 0, signal: null })
    expect(isGone(after.pid)).toBe(true)
  })

  it('ends a handler that never yields; what serves then ends, too, when what watches is killed with -9', async () => {
    const files = await appFiles()
    const server = await serve(watching(files))
    // It holds up the answer, too.
    void submit(server, 'blocks', {}).catch(() => {})
    const file = join(files.directory, 'blocking')
    const id = await eventually('the handler', () => (existsSync(file) && readFileSync(file, 'utf8')) || undefined)
    await writeFile(files.version, versionOf('two'))
    const { version, pid } = await reported(server, { id })
    expect(version).toBe('two')
    expect(server.stderr).toContain('the server does not stop, and is killed')

    expect(isGone(pid)).toBe(false)
    await server.kill()
    await eventually('the end of the server', () => isGone(pid) || undefined)
  })
})

describe.concurrent('a file that is broken', () => {
  it('is told, and served once it is mended', async () => {
    const files = await appFiles()
    const server = await serve(watching(files))
    const { pid } = await asked(server)
    const broken = [
      [files.version, 'export const version = ;', 'app.ts could not be loaded: SyntaxError'],
      [files.version, `${versionOf('no')}throw new Error('not today')`, 'app.ts could not be loaded: Error: not today'],
      [files.app, 'export const nothing = 1', 'app.ts exports no app (it exports nothing)'],
    ] as const
    for (const [index, [file, source, says]] of broken.entries()) {
      await writeFile(file, source)
      await said(server, says)
      await said(server, 'the app does not run (exit code 1)', index + 1)
    }
    await writeFile(files.version, versionOf('mended'))
    await writeFile(files.app, APP)
    const after = await asked(server)
    expect(after.version).toBe('mended')
    expect(after.pid).not.toBe(pid)
    expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null })
    expect(isGone(after.pid)).toBe(true)
  })

  it('is one that is not there yet, or no more; the server is back with it', async () => {
    const files = await appFiles()
    const folder = join(files.directory, 'more')
    await writeFile(files.version, `export { version } from './more/more.ts'`)
    const watcher = start(watching(files))
    await said(watcher, 'Cannot find module')
    await said(watcher, 'the app does not run')
    await mkdir(folder)
    await writeFile(join(folder, 'more.ts'), versionOf('more'))
    expect((await asked(await watcher.ready)).version).toBe('more')

    await rm(files.app)
    await said(watcher, 'There is no file')
    await said(watcher, 'the app does not run (exit code 2)')
    // Nothing runs, so nothing was interrupted.
    expect(await watcher.end('SIGTERM')).toEqual({ code: 0, signal: null })
  })
})

it('a wrong use ends what watches, too', async () => {
  const { code, stderr } = await run(['serve', 'nowhere.ts', '--watch', '--port', '0'])
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: 'capsule: There is no file nowhere.ts. Name the file that exports your app.\n',
  })
})
