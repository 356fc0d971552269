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
  serve,
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
// Waits for the file, or for the version to be another one.
app.task('gate', {}, async (_input, { signal }) => {
  while (version === 'one' && !existsSync(new URL('gate', import.meta.url))) await sleep(10, undefined, { signal })
  return report()
})
app.task('blocks', {}, async (_input, { taskId }) => {
  writeFileSync(new URL('blocking', import.meta.url), taskId)
  while (version === 'one');
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

function watching({ directory, app }: Files, options: { readonly leads?: boolean } = {}): Promise<RunningServer> {
  return serve({ app, data: join(directory, 'data'), args: ['--watch'], ...options })
}

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

const said = (server: RunningServer, what: string): Promise<true> =>
  eventually(`"${what}" on stderr`, () => server.stderr.includes(what) || undefined)

const timesSaid = ({ stderr }: RunningServer, what: string): number => stderr.split(what).length - 1

describe.concurrent('a change of a file that the app imports', () => {
  it('is served at the same address; what ran runs again, and completes under the new code', async () => {
    const files = await appFiles()
    const server = await watching(files)
    const before = await asked(server)
    expect(before.version).toBe('one')
    const gate = await running(server, 'gate')
    const later = await submit(server, 'report', {}, { delay: '3s' })

    // An editor, a formatter, version control: they save more than once.
    for (const name of ['almost', 'nearly', 'two']) writeFileSync(files.version, versionOf(name))

    const after = await reported(server, gate)
    expect(after.version).toBe('two')
    expect(after.pid).not.toBe(before.pid)
    expect(await reported(server, later)).toEqual(after)
    expect(await asked(server)).toEqual(after)
    expect(timesSaid(server, 'version.ts changed: starting again')).toBe(1)
    expect(isGone(before.pid)).toBe(true)

    expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null })
    expect(isGone(after.pid)).toBe(true)
  })

  it('ends a handler that never yields', async () => {
    const files = await appFiles()
    const server = await watching(files)
    // It holds up the answer, too.
    void submit(server, 'blocks', {}).catch(() => {})
    const file = join(files.directory, 'blocking')
    const id = await eventually('the handler', () => (existsSync(file) && readFileSync(file, 'utf8')) || undefined)
    await writeFile(files.version, versionOf('two'))
    expect((await reported(server, { id })).version).toBe('two')
    expect(server.stderr).toContain('the server does not stop, and is killed')
    await server.kill()
  })
})

describe.concurrent('a file that is broken', () => {
  it('is told, and served once it is mended', async () => {
    const files = await appFiles()
    const server = await watching(files)
    const { pid } = await asked(server)
    const broken = [
      [files.version, 'export const version = ;', 'app.ts could not be loaded: SyntaxError'],
      [files.version, `${versionOf('no')}throw new Error('not today')`, 'app.ts could not be loaded: Error: not today'],
      [files.app, 'export const nothing = 1', 'app.ts exports no app (it exports nothing)'],
    ] as const
    for (const [index, [file, source, says]] of broken.entries()) {
      await writeFile(file, source)
      await said(server, says)
      await eventually('it to wait', () => timesSaid(server, 'the app does not run (exit code 1)') > index || undefined)
    }
    await writeFile(files.version, versionOf('mended'))
    await writeFile(files.app, APP)
    const after = await asked(server)
    expect(after.version).toBe('mended')
    expect(after.pid).not.toBe(pid)
    expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null })
  })

  it('is one that is not there yet, or no more; the server is back with it', async () => {
    const files = await appFiles()
    const server = await watching(files)
    const folder = join(files.directory, 'more')
    await writeFile(files.version, `export { version } from './more/more.ts'`)
    await said(server, 'Cannot find module')
    await said(server, 'the app does not run')
    await mkdir(folder)
    await writeFile(join(folder, 'more.ts'), versionOf('more'))
    expect((await asked(server)).version).toBe('more')

    await rm(files.app)
    await said(server, 'There is no file')
    await said(server, 'the app does not run (exit code 2)')
    // Nothing runs, so nothing was interrupted.
    expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null })
  })
})

describe.concurrent('the end', () => {
  it('comes for the server, too, when what watches is killed with -9', async () => {
    const server = await watching(await appFiles())
    const { pid } = await asked(server)
    expect(isGone(pid)).toBe(false)
    await server.kill()
    await eventually('the end of the server', () => isGone(pid) || undefined)
  })

  it('waits for running work on Ctrl+C, which tells all processes of a terminal', async () => {
    const files = await appFiles()
    const server = await watching(files, { leads: true })
    const { pid } = await asked(server)
    await running(server, 'gate')
    // Only what watches hears it, which cannot pass it on yet: the server would take a second one for "at once".
    process.kill(server.pid, 'SIGSTOP')
    const exited = pressCtrlC(server)
    expect(await asked(server)).toEqual({ version: 'one', pid })
    process.kill(server.pid, 'SIGCONT')
    await said(server, 'waiting for running work')
    await writeFile(join(files.directory, 'gate'), '')
    // 1 if it had been interrupted.
    expect(await exited).toEqual({ code: 0, signal: null })
    expect(isGone(pid)).toBe(true)
  })

  it('comes at once when it is used wrongly', async () => {
    const { code, stderr } = await run(['serve', 'nowhere.ts', '--watch', '--port', '0'])
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: 'capsule: There is no file nowhere.ts. Name the file that exports your app.\n',
    })
  })
})
