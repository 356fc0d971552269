/** The commands that operate a server, as a terminal runs them against a real one. */
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { makeKey } from '../../src/http/index.ts'
import { here } from '../cli/here.ts'
import { eventually, run, serve, temporaryDirectory } from '../crash/server.ts'

vi.setConfig({ testTimeout: 120_000, maxConcurrency: 2 })

const APP = 'test/crash/apps/work.ts'

describe.concurrent('a server is operated', () => {
  // A promise: see docs/promises.md.
  it('by a submit that waits for its end, though the server is killed meanwhile', async () => {
    const directory = await temporaryDirectory()
    const { key, line } = makeKey('ann', 'write')
    const env = { CAPSULE_AUTH_API_KEYS: line }
    const first = await serve({ app: APP, data: join(directory, 'data'), env })
    const waiting = run(['submit', 'gate', '--param', `file=${join(directory, 'gate')}`, '--wait'], {
      CAPSULE_URL: first.url,
      CAPSULE_KEY: key,
    })
    const asAnn = { 'x-api-key': key }
    await eventually('the task to run', async () => {
      const { headers } = await first.ask('GET', '/api/v1/jobs?status=running', undefined, asAnn)
      return headers.get('x-total-count') === '1' || undefined
    })
    await first.kill()
    const second = await serve({ app: APP, data: join(directory, 'data'), port: first.port, env })
    await writeFile(join(directory, 'gate'), '')
    expect(await waiting).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/ gate completed in [^\n]+: \{"opened":true\}\n$/),
    })
    const stranger = await here(['jobs', '--url', second.url])
    expect(stranger).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^capsule: [^\n]*key[^\n]*\n$/),
    })
    await second.kill()
  })

  it('not where there is none: a submit says how to say it again', async () => {
    const { stderr, ...ended } = await here(['submit', 'plain', '--url', await nobody()])
    expect(ended).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(
      /^capsule: No server answers at [^\n]+ with --idempotency-key \S+ it is the same job, not another\.\n$/,
    )
    const { code } = await here(['jobs'], { CAPSULE_URL: 'localhost:3000' })
    expect(code).toBe(2)
  })
})

/** An address where nobody listens. */
async function nobody(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}
