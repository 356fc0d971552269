/** Keys on the command line: made, written down, and needed before a server may listen where others reach it. */
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { makeKey, readKeys } from '../../src/http/index.ts'
import { here } from '../cli/here.ts'
import { serve, temporaryDirectory } from '../crash/server.ts'

vi.setConfig({ testTimeout: 60_000, maxConcurrency: 2 })

const APP = 'test/crash/apps/work.ts'

describe.concurrent('capsule key', () => {
  it('shows a key once, and the line that lets it in', async () => {
    const { code, stdout } = await here(['key', '--name', 'ann', '--scope', 'write'])
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^API key, shown this once: capsule_[\w-]{43}\nLet it in with CAPSULE_AUTH_API_KEYS=ann:write:[0-9a-f]{64}\n$/,
    )
  })

  it('writes to a file what lets it in, only for the owner to read, and makes none if one is there', async () => {
    const file = join(await temporaryDirectory(), 'keys')
    const first = await here(['key', '--file', file, '--if-none', '--json'])
    const { key } = JSON.parse(first.stdout) as { key: string }
    const written = await readFile(file, 'utf8')
    expect(readKeys(written)).toMatchObject([{ name: 'admin', scope: 'admin' }])
    expect(written).not.toContain(key)
    expect((await stat(file)).mode & 0o777).toBe(0o600)

    const second = await here(['key', '--file', file, '--if-none'])
    expect(second).toMatchObject({ code: 0, stdout: `${file} has a key already: none was made.\n` })
    expect(await readFile(file, 'utf8')).toBe(written)

    await here(['key', '--file', file, '--name', 'bob', '--scope', 'read'])
    expect(readKeys(await readFile(file, 'utf8')).map(({ name }) => name)).toEqual(['admin', 'bob'])
  })

  it('writes a line of its own also after one without an end, and counts no notes for keys', async () => {
    const file = join(await temporaryDirectory(), 'keys')
    await writeFile(file, '# of the night shift')
    for (const name of ['ann', 'bob']) {
      const made = await here(['key', '--file', file, '--name', name, ...(name === 'ann' ? ['--if-none'] : [])])
      expect(made).toMatchObject({ code: 0, stderr: '' })
      // As an editor, or a secret that is mounted, leaves it.
      await writeFile(file, (await readFile(file, 'utf8')).trimEnd())
    }
    expect(readKeys(await readFile(file, 'utf8')).map(({ name }) => name)).toEqual(['ann', 'bob'])
  })

  it.for([
    { args: ['--scope', 'boss'], says: 'one of read, write, admin' },
    { args: ['--name', 'a b'], says: 'letters, digits' },
    { args: ['--if-none'], says: '--file' },
  ])('refuses $args', async ({ args, says }) => {
    const { code, stdout, stderr } = await here(['key', ...args])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^capsule: [^\n]+\n$/)
    expect(stderr).toContain(says)
  })
})

describe.concurrent('capsule serve', () => {
  it('refuses to listen where others reach it without a key, in a sentence, before it opens the data', async () => {
    const data = join(await temporaryDirectory(), 'data')
    const { code, stdout, stderr } = await here(['serve', APP, '--host', '0.0.0.0', '--port', '0', '--data', data])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^capsule: Refusing to listen on 0\.0\.0\.0: [^\n]*capsule key[^\n]*\n$/)
    await expect(stat(data)).rejects.toThrow('ENOENT')
  })

  it('lets in who has a key of the file, and pages of the origin that is named, and nobody else', async () => {
    const directory = await temporaryDirectory()
    const file = join(directory, 'keys')
    const { key, line } = makeKey('ann', 'write')
    await writeFile(file, `# people\n${line}\n`)
    const origin = 'https://shop.example'
    const env = { HOST: '0.0.0.0', CAPSULE_AUTH_API_KEYS_FILE: file, CAPSULE_ORIGINS: `${origin}/` }
    const server = await serve({ app: APP, data: join(directory, 'data'), env })
    expect((await server.ask('GET', '/api/v1/jobs')).status).toBe(401)
    expect((await server.ask('GET', '/health')).status).toBe(200)
    const { headers } = await server.ask('GET', '/health', undefined, { origin })
    expect(headers.get('access-control-allow-origin')).toBe(origin)
    const other = await server.ask('GET', '/health', undefined, { origin: 'https://other.example' })
    expect(other.headers.get('access-control-allow-origin')).toBeNull()
    expect((await server.ask('GET', '/api/v1/jobs', undefined, { 'x-api-key': key })).status).toBe(200)
    await server.kill()
  })
})

// One at a time: the environment is that of what is started meanwhile, too.
describe('what is set for capsule serve', () => {
  it.for([
    { env: { CAPSULE_AUTH_API_KEYS: 'ann' }, says: 'scope of ann' },
    { env: { CAPSULE_AUTH_API_KEYS_FILE: '/nowhere/keys' }, says: '/nowhere/keys cannot be read' },
    { env: { CAPSULE_AUTH_SECRET: 'short' }, says: 'CAPSULE_AUTH_SECRET is not usable: give 32' },
    { env: { CAPSULE_AUTH_KEYS: 'x' }, says: 'Did you mean CAPSULE_AUTH_API_KEYS?' },
  ])('refuses $env', async ({ env, says }) => {
    const { code, stdout, stderr } = await here(['serve', APP, '--port', '0'], env)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^capsule: [^\n]+\n$/)
    expect(stderr).toContain(says)
  })

  it('refuses keys that are given twice', async () => {
    const file = join(await temporaryDirectory(), 'keys')
    const { line } = makeKey('ann', 'write')
    await writeFile(file, line)
    const env = { CAPSULE_AUTH_API_KEYS: line, CAPSULE_AUTH_API_KEYS_FILE: file }
    const { code, stderr } = await here(['serve', APP, '--port', '0'], env)
    expect(code).toBe(2)
    expect(stderr).toContain('Unset one of them')
  })
})
