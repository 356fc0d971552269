/**
 * What people get wrong: a command line, an app file, a data directory, a request. Each is told in one sentence that says
 * what to do, without a stack, with the right exit code or status; and a server that was asked nonsense goes on.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import type { Job, Problem } from '../../src/http/wire.ts'
import { apart } from '../cli/apart.ts'
import { here } from '../cli/here.ts'
import { serveHere } from '../cli/serve-here.ts'
import { run, temporaryDirectory } from '../crash/server.ts'

vi.setConfig({ testTimeout: 60_000 })

const ROOT = join(import.meta.dirname, '../..')
const WORK = 'test/crash/apps/work.ts'
/** An app file of a test's own, wherever it lies. */
const CREATE = `import { createApp } from ${JSON.stringify(join(ROOT, 'src/index.ts'))}\n`

/** One line on stderr, for people: no stack, no path into the code. */
function expectSentence(stderr: string, ...parts: readonly string[]): void {
  for (const part of parts) expect(stderr).toMatch(new RegExp(part))
  expect(stderr).toMatch(/^capsule: [^\n]+\n$/)
  expect(stderr).not.toMatch(/\n\s+at |node_modules|node:internal/)
}

async function appFile(source: string): Promise<string> {
  const file = join(await temporaryDirectory(), 'app.ts')
  await writeFile(file, source)
  return file
}

interface Misuse {
  readonly what: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly code: 1 | 2
  readonly says: readonly string[]
}

const misuses: readonly Misuse[] = [
  {
    what: 'a directory for an app file',
    args: ['serve', 'test'],
    code: 2,
    says: ['test is a directory', 'Name the file'],
  },
  { what: 'no such app file', args: ['serve', 'nowhere.ts'], code: 2, says: ['no file nowhere.ts', 'Name the file'] },
  {
    what: 'a port that is none',
    args: ['serve', WORK, '--port', 'eighty'],
    code: 2,
    says: ['--port eighty', '0 .* to 65535'],
  },
  { what: 'a port that is empty', args: ['serve', WORK, '--port', ''], code: 2, says: ['not a port'] },
  {
    what: 'an origin with a path',
    args: ['serve', WORK, '--origin', 'https://shop.example', '--origin', 'https://shop.example/cart'],
    code: 2,
    says: ['--origin "https://shop.example/cart" is not an origin', 'without a path', 'Write it as'],
  },
  {
    what: 'an origin that is everybody',
    args: ['serve', WORK],
    env: { CAPSULE_ORIGINS: 'https://shop.example, *' },
    code: 2,
    says: ['CAPSULE_ORIGINS is not usable', 'without \\*', 'Write it as'],
  },
  {
    what: 'a directory that is empty, as a variable is that is not set',
    args: ['restore', '--from', 'nowhere.db', '--data', ''],
    code: 2,
    says: ['--data is empty', 'leave it out'],
  },
  {
    what: 'an empty flag of a command within a command',
    args: ['audit', 'export', '--data', 'nowhere', '--to', ''],
    code: 2,
    says: ['--to is empty'],
  },
  { what: 'a port that is blank', args: ['serve', WORK], env: { PORT: ' ' }, code: 2, says: ['PORT is not usable'] },
  {
    what: 'a variable that is misspelt',
    args: ['serve', WORK],
    env: { CAPSULE_DATE: 'x' },
    code: 2,
    says: ['CAPSULE_DATE is not known', 'CAPSULE_DATA'],
  },
  {
    what: 'a variable that does not fit',
    args: ['serve', WORK],
    env: { PORT: 'eighty' },
    code: 2,
    says: ['PORT is not usable'],
  },
  {
    what: 'a connection string that is none',
    args: ['serve', WORK, '--data', join(tmpdir(), 'capsule-no-such-cluster')],
    env: { EVENTSTORE_URL: 'http://localhost:2113' },
    code: 1,
    says: ['connection string', 'esdb://'],
  },
  {
    what: 'a node of a cluster without a directory',
    args: ['worker', WORK, '--data', 'memory'],
    env: { EVENTSTORE_URL: 'esdb://localhost:2113?tls=false' },
    code: 1,
    says: ['keeps its read models in a directory', '--data'],
  },
  {
    what: 'a worker without a cluster',
    args: ['worker', WORK],
    code: 2,
    says: ['set EVENTSTORE_URL', 'capsule serve'],
  },
]

describe('the command line', () => {
  it.for(misuses)('refuses $what', async ({ args, env, code, says }) => {
    const ended = await here(args, env)
    expectSentence(ended.stderr, ...says)
    expect(ended).toMatchObject({ code, stdout: '' })
  })
})

interface BadApp {
  readonly what: string
  readonly source: string
  readonly says: readonly string[]
}

const badApps: readonly BadApp[] = [
  {
    what: 'throws',
    source: `throw new Error('no database')`,
    says: ['could not be loaded', 'no database', 'app.ts:1'],
  },
  { what: 'has a syntax error', source: `export const = 1`, says: ['could not be loaded', 'SyntaxError', 'app.ts:1'] },
  {
    what: 'imports what is not there',
    source: `import 'no-such-package'`,
    says: ['could not be loaded', 'no-such-pack'],
  },
  { what: 'exports no app but a namespace', source: `export * as path from 'node:path'`, says: ['exports no app'] },
  { what: 'exports nothing', source: `${CREATE}createApp({ name: 'x' })`, says: ['exports no app', 'createApp\\('] },
  {
    what: 'has an app of another copy of the package',
    source: `class App {}\nexport const app = new App()`,
    says: ['another copy of capsule-actors', 'npx capsule'],
  },
  {
    what: 'has a cron that is none',
    source: `${CREATE}export const app = createApp({ name: 'x' })\napp.schedule('s', 'every day', () => {})`,
    says: ['could not be loaded', 'every day', 'app.ts:3'],
  },
  {
    what: 'has a time zone that is none',
    source: `${CREATE}export const app = createApp({ name: 'x' })
app.schedule('s', '@daily', { timezone: 'Mars/Olympus' }, () => {})`,
    says: ['could not be loaded', 'Mars/Olympus', 'app.ts:3'],
  },
  {
    what: 'has a duration that is none',
    source: `${CREATE}export const app = createApp({ name: 'x' })\napp.task('t', { timeout: 'a while' }, () => {})`,
    says: ['could not be loaded', 'a while', '30s, 10m', 'app.ts:3'],
  },
]

describe('an app file', () => {
  it.for(badApps)('that $what is named with the reason', async ({ source, says }) => {
    const ended = await apart(['serve', await appFile(source), '--port', '0', '--data', await temporaryDirectory()])
    expectSentence(ended.stderr, ...says)
    expect(ended).toMatchObject({ code: 1, stdout: '' })
  })

  it('that is refused ends the process with the sentence and the code', async () => {
    const source = `throw new Error('no database')`
    const ended = await run(['serve', await appFile(source), '--port', '0', '--data', await temporaryDirectory()])
    expectSentence(ended.stderr, 'could not be loaded', 'no database', 'app.ts:1')
    expect(ended).toMatchObject({ code: 1, stdout: '' })
  })
})

describe('a data directory', () => {
  it('serves one process; the second is told which has it, and the first goes on', async () => {
    const data = await temporaryDirectory()
    const first = await serveHere({ app: WORK, data })
    const second = await apart(['serve', WORK, '--port', '0', '--data', data])
    expectSentence(second.stderr, data, 'in use|has it|another process', String(process.pid))
    expect(second.code).toBe(1)
    // A node of a cluster keeps its read models there.
    const node = await apart(['worker', WORK, '--data', data], { EVENTSTORE_URL: 'esdb://localhost:1?tls=false' })
    expectSentence(node.stderr, data, 'in use')
    expect(node.code).toBe(1)
    expect((await first.ask('GET', '/health')).status).toBe(200)
    await first.stop()
  })

  it('that is a file is refused', async () => {
    const file = join(await temporaryDirectory(), 'data')
    await writeFile(file, 'mine')
    const ended = await apart(['serve', WORK, '--port', '0', '--data', file])
    expectSentence(ended.stderr, file, 'cannot be made', '--data')
    expect(ended.code).toBe(1)
  })

  it('with a log that is none is refused, and left as it was', async () => {
    const data = await temporaryDirectory()
    await mkdir(data, { recursive: true })
    const log = 'not a database, but long enough to be taken for one'.repeat(100)
    await writeFile(join(data, 'events.db'), log)
    const ended = await apart(['serve', WORK, '--port', '0', '--data', data])
    expectSentence(ended.stderr, 'event log is damaged', 'Restore it from a backup')
    expect(ended.code).toBe(1)
    expect(await readFile(join(data, 'events.db'), 'utf8')).toBe(log)
  })
})

it('a port in use is said to be in use', async () => {
  const other = createServer()
  await new Promise<void>((listening) => other.listen(0, '127.0.0.1', listening))
  const address = other.address()
  const port = typeof address === 'object' ? String(address?.port) : ''
  const ended = await apart(['serve', WORK, '--port', port, '--data', await temporaryDirectory()])
  await new Promise((closed) => other.close(closed))
  expectSentence(ended.stderr, `port ${port} is in use`, '--port')
  expect(ended.code).toBe(1)
})

interface BadRequest {
  readonly what: string
  readonly path: string
  readonly body: unknown
  readonly status: number
  readonly says: readonly string[]
}

const SUBMIT = '/api/v1/tasks/plain/$submit'
const badRequests: readonly BadRequest[] = [
  { what: 'an unknown task', path: '/api/v1/tasks/nope/$submit', body: {}, status: 404, says: ['nope', 'plain'] },
  { what: 'params that do not fit', path: SUBMIT, body: { params: { n: 'one' } }, status: 422, says: ['plain'] },
  { what: 'params that nobody knows', path: SUBMIT, body: { params: { m: 1 } }, status: 422, says: ['plain'] },
  { what: 'params that are no object', path: SUBMIT, body: { params: [1] }, status: 422, says: ['params'] },
  { what: 'a delay that is none', path: SUBMIT, body: { delay: 'soon' }, status: 422, says: ['soon'] },
  { what: 'a negative delay', path: SUBMIT, body: { delay: -1 }, status: 422, says: ['delay.*>=0'] },
  { what: 'a start that is none', path: SUBMIT, body: { run_at: 'tomorrow' }, status: 422, says: ['run_at|tomorrow'] },
  { what: 'an unknown session', path: SUBMIT, body: { session_id: 'nobody' }, status: 404, says: ['session "nobody"'] },
  {
    what: 'a message to an unknown session',
    path: '/api/v1/sessions/nobody/messages',
    body: { text: 'hello' },
    status: 404,
    says: ['session "nobody"'],
  },
  {
    what: 'an unknown job',
    path: '/api/v1/jobs/nothing/$cancel',
    body: undefined,
    status: 404,
    says: ['job "nothing"'],
  },
  { what: 'an unknown schedule', path: '/api/v1/schedules/no/$trigger', body: undefined, status: 404, says: ['"no"'] },
  { what: 'two megabytes', path: SUBMIT, body: { params: { n: 'x'.repeat(2_000_000) } }, status: 413, says: ['1 MiB'] },
]

it('over HTTP each is refused in a sentence, and the server goes on', async () => {
  const server = await serveHere({ app: WORK, data: await temporaryDirectory() })
  for (const { what, path, body, status, says } of badRequests) {
    const answer = await server.ask<Problem>('POST', path, body)
    expect(answer.status, `${what}: ${JSON.stringify(answer.body)}`).toBe(status)
    expectProblem(answer.headers, answer.body, status)
    const said = JSON.stringify([answer.body.detail, answer.body.errors])
    for (const part of says) expect(said.replaceAll('\\"', '"'), what).toMatch(new RegExp(part))
  }
  const broken = await fetch(server.url + SUBMIT, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"params": {',
  })
  expect(broken.status).toBe(400)
  expectProblem(broken.headers, (await broken.json()) as Problem, 400)

  const job = await server.ask<Job>('POST', SUBMIT, { params: { n: 1 } })
  expect(job.status).toBe(202)
  // Clients' mistakes are no errors of the server.
  expect(server.complaints).toEqual([])
  await server.stop()
})

/** RFC 9457, and nothing of the inside of the server. */
function expectProblem(headers: Headers, problem: Problem, status: number): void {
  expect(headers.get('content-type')).toMatch('application/problem+json')
  expect(problem).toMatchObject({ type: expect.stringMatching(/^urn:capsule:error:[a-z-]+$/), status })
  expect(problem.detail).toMatch(/^[A-Z"]\S* \S+ .+/s)
  expect(JSON.stringify(problem)).not.toMatch(/\.ts:|node_modules|\\n {4}at /)
}
