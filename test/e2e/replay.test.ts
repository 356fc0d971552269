/** capsule replay, beside a server that works and on what it has left. */
import { expect, it, vi } from 'vitest'
import { makeKey } from '../../src/http/index.ts'
import { here } from '../cli/here.ts'
import { serveHere } from '../cli/serve-here.ts'
import { run, serve, submit, temporaryDirectory, until } from '../crash/server.ts'

vi.setConfig({ testTimeout: 120_000 })

const APP = 'test/crash/apps/work.ts'
/** The same app, without the task `plain`. */
const NEXT = 'test/crash/apps/less.ts'

// A promise: see docs/promises.md.
it('tells before a deploy what would not go on under it', async () => {
  const data = await temporaryDirectory()
  const server = await serve({ app: APP, data })
  await until(server, await submit(server, 'plain', {}), 'completed')
  const fits = await run(['replay', APP, '--data', data])
  expect(fits).toMatchObject({ code: 0, stderr: '' })
  expect(fits.stdout).toMatch(/^\d+ events of \d+ streams lead to states that this code knows\.\n$/)

  const waiting = await submit(server, 'plain', {}, { delay: '1h' })
  const parts = await here(['replay', NEXT, '--url', server.url])
  expect(parts).toMatchObject({ code: 1, stdout: '' })
  expect(parts.stderr).toContain(`work.task-${waiting.id}, revision 0: The app has no task plain`)
  expect(parts.stderr).toContain('before it is deployed')
  await server.kill()

  const told = await here(['replay', NEXT, '--data', data, '--stream', `task-${waiting.id}`, '--json'])
  expect(told.code).toBe(1)
  expect(JSON.parse(told.stdout)).toMatchObject({ ok: false, streams: 1, open: 1, partings: [{ by: 'no-handler' }] })
})

it.each([
  { what: 'an app whose log is not there', args: ['examples/jobs-demo/app.ts'], says: 'has no events of' },
  { what: 'a stream that is not there', args: [APP, '--stream', 'task-none'], says: 'There is no stream task-none' },
])('names $what', async ({ args, says }) => {
  const data = await temporaryDirectory()
  const server = await serveHere({ app: APP, data })
  await submit(server, 'plain', {})
  await server.stop()
  const refused = await here(['replay', ...args, '--data', data])
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  expect(refused.stderr).toContain(says)
})

it('finds a stream without the name of its app, though its key has a dot', async () => {
  const data = await temporaryDirectory()
  const server = await serveHere({ app: APP, data })
  await until(server, await submit(server, 'queue', { key: 'v1.5' }), 'completed')
  for (const stream of ['lock-queue:v1.5', 'work.lock-queue:v1.5']) {
    const shown = await here(['audit', 'show', stream, '--data', data])
    expect(shown).toMatchObject({ code: 0, stderr: '' })
    const fits = await here(['replay', APP, '--stream', stream, '--url', server.url])
    expect(fits).toMatchObject({ code: 0, stderr: '' })
  }
})

it('is told of no server that keeps it out, and of one that runs another app', async () => {
  const { line } = makeKey('ann', 'admin')
  const server = await serveHere({ app: APP, data: 'memory', env: { CAPSULE_AUTH_API_KEYS: line } })
  expect((await here(['replay', APP, '--url', server.url])).stderr).toContain('refuses this')
  const open = await serveHere({ app: APP, data: 'memory' })
  const other = await here(['replay', 'examples/jobs-demo/app.ts', '--url', open.url])
  expect(other).toMatchObject({ code: 1, stdout: '' })
  expect(other.stderr).toContain('runs work, not jobs-demo')
})
