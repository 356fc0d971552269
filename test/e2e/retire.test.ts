/** Retention and audits as an operator does them: with the command, beside a server that works and without one. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { HistoryEvent } from '../../src/http/wire.ts'
import { CAPSULE } from '../built.ts'
import { here } from '../cli/here.ts'
import { serveHere } from '../cli/serve-here.ts'
import { serve, submit, temporaryDirectory, until } from '../crash/server.ts'
import { FakeServer, Log } from '../events/eventstoredb/server.ts'

vi.setConfig({ testTimeout: 120_000 })

const WORK = 'test/crash/apps/work.ts'

describe('capsule retire and capsule audit', () => {
  // A promise: see docs/promises.md.
  it('take ended jobs out of the log, and prove what is left and what went', async () => {
    const data = join(await temporaryDirectory(), 'data')
    const server = await serve({ app: WORK, data })
    const ids = [await submit(server, 'plain', { ms: 1 }), await submit(server, 'plain', { ms: 1 })]
    for (const id of ids) await until(server, id, 'completed')

    // Beside the server: reading is for anybody, changing is the server's.
    expect(await here(['audit', 'verify', '--data', data])).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/^\d+ events in \d+ streams are as they were appended\.\n$/),
    })
    const refused = await here(['retire', '--older-than', '0s', '--data', data])
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toMatch(/^capsule: .* is in use by process \d+\. .*--url, as http.*\n$/)
    const there = ['--url', server.url]
    const dry = await here(['retire', '--older-than', '0s', '--dry-run', ...there])
    expect(dry).toMatchObject({ code: 0, stdout: '2 streams with 6 events would go. Nothing was changed.\n' })
    const one = await here(['retire', '--older-than', '0s', '--limit', '1', ...there])
    expect(one.stdout).toMatch(
      /^1 stream with 3 events went to .*archive \(\d+ bytes\)\.\nThere is more: run it again\.\n$/,
    )
    expect(
      await here(['audit', 'verify', '--archive', '--json', ...there]).then(({ stdout }) => JSON.parse(stdout)),
    ).toMatchObject({ ok: true, retired: 1, archived: 1 })
    const left = (await server.ask<readonly { id: string }[]>('GET', '/api/v1/jobs')).body.map(({ id }) => id)
    expect(left).toHaveLength(1)
    const shown = await here(['audit', 'show', `task-${left[0]}`, ...there])
    expect(shown.stdout).toMatch(
      /^ {3}0 {2}\S+Z {2}TaskSubmitted {2}by user:local .*\n.*TaskStarted.*\n.*TaskCompleted.*\n$/,
    )
    const [, start] = (await server.ask<readonly HistoryEvent[]>('GET', `/api/v1/jobs/${left[0]}/$events`)).body
    const asOf = (moment: string) => here(['audit', 'show', `task-${left[0]}`, '--as-of', moment, ...there])
    expect((await asOf(String(start?.position))).stdout).toMatch(/^.*TaskSubmitted.*\n.*TaskStarted.*\n$/)
    expect((await asOf('2000-01-01')).stdout).toBe('')
    expect((await asOf(String(start?.at))).stdout).toMatch(/^.*TaskSubmitted.*\n.*TaskStarted.*\n/)
    expect(await asOf('yesterday')).toMatchObject({ code: 2, stderr: expect.stringContaining('Give a position') })
    const exported = join(data, '..', 'server.jsonl')
    expect((await here(['audit', 'export', '--to', exported, ...there])).code).toBe(0)

    // Without it: the command does the same.
    await server.end('SIGTERM')
    const json = await here(['retire', '--older-than', '0s', '--data', data, '--json'])
    expect(JSON.parse(json.stdout)).toMatchObject({ retired: 1, kept: {}, more: false })
    const gone = await here(['audit', 'show', `task-${left[0]}`, '--data', data])
    expect(gone).toMatchObject({ code: 1, stdout: '' })
    expect(gone.stderr).toContain('It may have been retired')
    expect((await here(['audit', 'verify', '--data', data, '--archive'])).stdout).toContain(
      'each is in the archive, whole',
    )

    const own = join(data, '..', 'log.jsonl')
    expect((await here(['audit', 'export', '--to', own, '--data', data])).stdout).toMatch(/has \d+ events\.\n$/)
    const lines = (await readFile(own, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.filter(({ type }) => type === 'StreamRetired')).toHaveLength(2)
    const before = (await readFile(exported, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    const first = lines.find(({ type }) => type === 'StreamRetired')
    expect(before.find(({ id }) => id === first.id)).toEqual(first)
    expect(await here(['audit', 'export', '--to', own, '--data', data])).toMatchObject({ code: 1 })
    const none = join(data, '..', 'none.jsonl')
    const nothing = await here(['audit', 'export', '--to', none, '--stream', 'task-nope', '--data', data])
    expect(nothing).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no stream task-nope') })
    expect(existsSync(none)).toBe(false)

    const archive = join(data, 'archive')
    const [segment = ''] = (await readdir(archive)).filter((file) => file.endsWith('.jsonl'))
    const text = await readFile(join(archive, segment), 'utf8')
    await writeFile(join(archive, segment), text.replace('"TaskCompleted"', '"TaskCancelled"'))
    const broken = await here(['audit', 'verify', '--data', data, '--archive'])
    expect(broken).toMatchObject({ code: 1, stdout: '' })
    expect(broken.stderr).toMatch(
      /^capsule: In \S+\.jsonl of the archive revision 2 of \S+\.task-\S+ is not as it was appended\..*\n$/,
    )
  })

  it('do the same on a cluster, beside its nodes; a node that reads it all later has what is left', async () => {
    const cluster = await FakeServer.start({ log: new Log() })
    onTestFinished(() => cluster.kill())
    const env = { EVENTSTORE_URL: cluster.url }
    const root = await temporaryDirectory()
    const data = join(root, 'node')
    const node = await serve({ app: WORK, data, env })
    const ids = [await submit(node, 'plain', { ms: 1 }), await submit(node, 'plain', { ms: 1 })]
    for (const id of ids) await until(node, id, 'completed')

    expect(await here(['retire', '--older-than', '0s'], env)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--app'),
    })
    const archive = join(root, 'archive')
    const own = ['--app', 'work', '--archive', archive]
    const done = await here(['retire', '--older-than', '0s', ...own, '--json'], env)
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(done.stdout)).toMatchObject({ retired: 2, kept: {}, archive })
    const { head } = (await node.ask<{ head: string }>('GET', '/api/v1/system')).body
    expect((await node.ask('GET', `/api/v1/jobs?at_least=${head}`)).body).toEqual([])

    // The server gives the events until its scavenge, and nobody takes them for a break or for jobs.
    const proof = await here(['audit', 'verify', ...own, '--json'], env)
    expect(JSON.parse(proof.stdout)).toMatchObject({ ok: true, retired: 2, archived: 2, remaining: 2 })
    const other = await serveHere({ app: WORK, data: join(root, 'other'), env })
    expect((await other.ask('GET', '/api/v1/jobs')).body).toEqual([])
    await other.stop()
    expect(await node.end('SIGTERM')).toMatchObject({ code: 0 })
  })

  it('take no name that is misspelt for a log in order', async () => {
    const root = await temporaryDirectory()
    const data = join(root, 'data')
    const cluster = await FakeServer.start({ log: new Log() })
    onTestFinished(() => cluster.kill())
    const node = await serveHere({ app: WORK, data: join(root, 'node'), env: { EVENTSTORE_URL: cluster.url } })
    const server = await serveHere({ app: WORK, data })
    const to = join(root, 'log.jsonl')
    const commands = [
      ['audit', 'verify'],
      ['audit', 'export', '--to', to],
      ['retire', '--older-than', '1d'],
    ]
    for (const command of commands) {
      const asked = await here([...command, '--app', 'worc', '--url', server.url])
      expect(asked).toMatchObject({ code: 1, stdout: '' })
      expect(asked.stderr).toContain(`${server.url} runs work, not worc.`)
    }
    await Promise.all([server.stop(), node.stop()])

    for (const command of commands) {
      const misspelt = await here([...command, '--app', 'worc', '--data', data])
      expect(misspelt).toMatchObject({ code: 1, stdout: '' })
      expect(misspelt.stderr).toBe(`capsule: ${data} has no events of worc, only of work. Check the name of the app.\n`)
      const there = await here([...command, '--app', 'worc'], { EVENTSTORE_URL: cluster.url })
      expect(there).toMatchObject({ code: 1, stdout: '' })
      expect(there.stderr).toMatch(/^capsule: esdb:\S+ has no events of worc\. Check the name of the app\.\n$/)
    }
    const nowhere = join(root, 'nowhere')
    const none = await here(['retire', '--older-than', '1d', '--app', 'work', '--data', nowhere])
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('has no log') })
    for (const made of [to, nowhere]) expect(existsSync(made)).toBe(false)
  })

  it('leave no part of an export that passes for the whole', async () => {
    const root = await temporaryDirectory()
    const events = Array.from({ length: 500 }, (_, n) => ({
      ...{ stream: 'work.task-1', revision: `${n}`, id: `${n}`, type: 'Noted', data: {}, metadata: {} },
      ...{ position: `${n}`, recorded_at: '2025-01-01T12:00:00.000Z' },
    }))
    // A server that stops in the middle of its log.
    const asked = Promise.withResolvers<void>()
    const server = createServer((request, response) => {
      if (request.url?.endsWith('/info')) response.end('{"name":"work"}')
      else if (request.url?.endsWith('after=-1')) response.end(JSON.stringify(events))
      else asked.resolve()
    }).listen(0, '127.0.0.1')
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const to = join(root, 'log.jsonl')
    const child = spawn(process.execPath, [CAPSULE, 'audit', 'export', '--url', url, '--to', to], { stdio: 'ignore' })
    await asked.promise
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(existsSync(to)).toBe(false)
    expect(await readdir(root)).toEqual([expect.stringMatching(/^log\.jsonl\.[0-9a-f]{8}\.partial$/)])
  })

  it('take no address of anything else for a directory', async () => {
    for (const command of [
      ['audit', 'verify'],
      ['retire', '--older-than', '1d'],
      ['backup', '--to', 'nowhere/'],
    ]) {
      const env = { EVENTSTORE_URL: 'ann:secret@db:2113' }
      const { code, stderr } = await here([...command, '--app', 'work'], env)
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: expect.stringMatching(/^capsule: EVENTSTORE_URL is no connection string\. [^\n]*esdb[^\n]*\n$/),
      })
      expect(stderr).not.toContain('secret')
    }
  })

  it.each([
    { args: ['retire'], says: '--older-than' },
    { args: ['retire', '--older-than', '90'], says: 'Give a time as 90d' },
    { args: ['retire', '--older-than', '90d', '--url', 'http://127.0.0.1:1', '--data', 'x'], says: 'give one' },
    { args: ['retire', '--older-than', '90d', '--key', 'x'], says: 'name it with --url' },
  ])('used wrongly say how: $args', async ({ args, says }) => {
    const { code, stdout, stderr } = await here(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(says)
  })

  it('make no log where there is none', async () => {
    const data = join(await temporaryDirectory(), 'none')
    for (const args of [
      ['retire', '--older-than', '90d'],
      ['audit', 'verify'],
    ]) {
      const { code, stderr } = await here([...args, '--data', data])
      expect(code).toBe(1)
      expect(stderr).toMatch(/^capsule: .*none has no log\. Name the data directory.*\n$/)
    }
    await expect(stat(data)).rejects.toThrow('ENOENT')
  })
})
