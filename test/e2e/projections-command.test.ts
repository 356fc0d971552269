/** capsule projections, on a server that works and on the directory that one has left. */
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { openSqliteStore, streamName } from '../../src/events/index.ts'
import { makeKey } from '../../src/http/index.ts'
import { readStored } from '../../src/projections/index.ts'
import { here } from '../cli/here.ts'
import { serveHere } from '../cli/serve-here.ts'
import {
  type Answering,
  complaints,
  eventually,
  run,
  serve,
  submit,
  temporaryDirectory,
  until,
} from '../crash/server.ts'
import { FakeServer, Log } from '../events/eventstoredb/server.ts'
import { eventData, submitted, T0 } from '../projections/support.ts'

vi.setConfig({ testTimeout: 120_000 })

const APP = 'test/crash/apps/work.ts'
const NAMES = ['jobs', 'sessions', 'schedules', 'locks', 'owed']

interface Shown {
  readonly name: string
  readonly position: string
  readonly behind: string
  readonly rebuilding: boolean
  readonly rebuild_failed: string | null
}

const shown = (stdout: string) => (JSON.parse(stdout) as { head: string; read_models: Shown[] }).read_models
const lines = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Shown)

/** A log with many tasks whose name no app declares. */
async function manyTasks(directory: string, count: number): Promise<void> {
  const store = await openSqliteStore({ directory })
  const appends = Array.from({ length: count }, (_, n) =>
    store.append(streamName('work', 'task', `t${n}`), 'no-stream', [
      eventData(submitted({ name: 'nobody_runs_it', ownerId: 'local' }), T0),
    ]),
  )
  await Promise.all(appends)
  await store.close()
}

describe('capsule projections', () => {
  // A promise: see docs/promises.md.
  it('tells how far a server is, and has it make its read models again while it works', async () => {
    const data = join(await temporaryDirectory(), 'data')
    const { key, line } = makeKey('ann', 'admin')
    const server = await serve({ app: APP, data, env: { CAPSULE_AUTH_API_KEYS: line } })
    const at = ['--url', server.url, '--key', key]
    const before = await here(['projections', 'status', ...at])
    expect(before).toMatchObject({ code: 0, stderr: '' })
    expect(before.stdout).toMatch(/^name +version +position +behind +state\njobs +\d+ +\d+ +\d+ +in use\n/)

    const all = await here(['projections', 'rebuild', ...at])
    expect(all).toMatchObject({ code: 0, stderr: '' })
    expect(all.stdout).toMatch(/^All read models were made again in \d+\.\d s\.\n$/)
    const one = await here(['projections', 'rebuild', 'jobs', ...at, '--json'])
    expect(one.code).toBe(0)
    expect(new Set(lines(one.stdout).map(({ name }) => name))).toEqual(new Set(['jobs']))
    expect(lines(one.stdout).at(-1)).toMatchObject({ name: 'jobs', rebuilding: false, rebuild_failed: null })
    const after = await here(['projections', 'status', ...at, '--json'])
    expect(shown(after.stdout).map(({ name, rebuilding }) => [name, rebuilding])).toEqual(
      NAMES.map((name) => [name, false]),
    )

    const wrong = await here(['projections', 'rebuild', 'jbos', ...at])
    expect(wrong).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('no read model jbos. There are jobs'),
    })
    const stranger = await here(['projections', 'status', '--url', server.url])
    expect(stranger).toMatchObject({ code: 1, stderr: expect.stringMatching(/^capsule: [^\n]*key[^\n]*\n$/) })
    const beside = await here(['projections', 'status', '--data', data])
    expect(beside).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^capsule: [^\n]*in use by process \d+[^\n]*--url[^\n]*\n$/),
    })
    expect(complaints(server)).toEqual([])
    await server.end('SIGTERM')
    const gone = await here(['projections', 'status', ...at])
    expect(gone).toMatchObject({ code: 1, stderr: expect.stringMatching(/^capsule: No server answers at [^\n]+\n$/) })
  })

  // A promise: see docs/promises.md.
  it('goes on after a kill in the middle; what was in use answers meanwhile, and work is done', async () => {
    const data = join(await temporaryDirectory(), 'data')
    await manyTasks(data, 10_000)
    const first = await serve({ app: APP, data })
    await first.ask('POST', '/api/v1/system/read-models/$rebuild')
    await first.kill()
    expect(readStored(data).models.map(({ name, rebuilding }) => [name, rebuilding])).toEqual(
      NAMES.map((name) => [name, true]),
    )

    const second = await serveHere({ app: APP, data })
    expect(await countOf(second)).toBe('10000')
    await until(second, await submit(second, 'plain', { n: 1 }), 'completed')
    await eventually('the read models to be made', async () => {
      const { body } = await second.ask<{ read_models: Shown[] }>('GET', '/api/v1/system')
      return body.read_models.some(({ rebuilding }) => rebuilding) ? undefined : true
    })
    expect(await countOf(second)).toBe('10001')
    expect(second.complaints).toEqual([])
    await second.stop()
  })

  it('makes them again in a directory that nobody has, also where there are none yet', async () => {
    const data = join(await temporaryDirectory(), 'data')
    await manyTasks(data, 2_000)
    const none = await here(['projections', 'status', '--data', data])
    expect(none).toMatchObject({ code: 0, stdout: expect.stringMatching(/\njobs +\d+ +-1 +2000 +not made yet\n/) })

    const made = await here(['projections', 'rebuild', '--data', data, '--json'])
    expect(made.code).toBe(0)
    expect(readStored(data)).toMatchObject({ app: 'work', models: NAMES.map((name) => ({ name, position: 1999n })) })
    const again = await here(['projections', 'rebuild', 'jobs', '--data', data])
    expect(again).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^jobs was made again in /) })

    const { stdout } = await here(['projections', 'status', '--data', data, '--json'])
    expect(shown(stdout)).toMatchObject(
      NAMES.map((name) => ({ name, position: '1999', behind: '0', rebuilding: false })),
    )
    const server = await serveHere({ app: APP, data })
    expect(await countOf(server)).toBe('2000')
    await server.stop()
  })

  it.for([
    { args: ['status', '--url', 'localhost:3000'], code: 2, says: 'http://127.0.0.1:3000' },
    { args: ['status', '--key', 'k'], code: 2, says: '--url' },
    { args: ['rebuild', '--url', 'http://127.0.0.1:1', '--data', 'x'], code: 2, says: 'give one' },
    { args: ['rebuild', '--url', 'http://127.0.0.1:1'], code: 1, says: 'No server answers' },
    { args: ['status', '--data', '/nowhere'], code: 1, says: 'no log to read in /nowhere' },
  ])('refuses $args', async ({ args, code, says }) => {
    const { stdout, stderr, code: ended } = await here(['projections', ...args])
    expect({ stdout, code: ended }).toEqual({ stdout: '', code })
    expect(stderr).toMatch(/^capsule: [^\n]+\n$/)
    expect(stderr).toContain(says)
  })
})

describe('capsule projections on a cluster', () => {
  it("makes a node's read models again from the log of a cluster, running and not", async () => {
    const cluster = await FakeServer.start({ log: new Log() })
    onTestFinished(() => cluster.kill())
    const env = { EVENTSTORE_URL: cluster.url }
    const data = join(await temporaryDirectory(), 'node')
    const nothing = await here(['projections', 'status', '--data', data], env)
    expect(nothing).toMatchObject({ code: 1, stderr: expect.stringContaining('a node makes them when it starts') })

    const node = await serveHere({ app: APP, data, env })
    for (let n = 0; n < 5; n++) await until(node, await submit(node, 'plain', { n }), 'completed')
    expect(await here(['projections', 'rebuild', '--url', node.url])).toMatchObject({ code: 0, stderr: '' })
    expect(await countOf(node)).toBe('5')
    await node.stop()

    expect(await run(['projections', 'rebuild', '--data', data], env)).toMatchObject({ code: 0, stderr: '' })
    const { stdout } = await here(['projections', 'status', '--data', data, '--json'], env)
    expect(shown(stdout)).toMatchObject(NAMES.map((name) => ({ name, behind: '0', rebuild_failed: null })))
    const again = await serveHere({ app: APP, data, env })
    expect(await countOf(again)).toBe('5')
    await again.stop()
  })
})

async function countOf(server: Answering): Promise<string | null> {
  return (await server.ask('GET', '/api/v1/jobs?limit=1')).headers.get('x-total-count')
}
