/** Backup, restore and migration as an operator does them: with the command, on a server that works. */
import { readdirSync, readFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { HistoryEvent, Job } from '../../src/http/wire.ts'
import { apart } from '../cli/apart.ts'
import { here } from '../cli/here.ts'
import { serveHere } from '../cli/serve-here.ts'
import { type Answering, serve, submit, temporaryDirectory, until } from '../crash/server.ts'
import { FakeServer, Log } from '../events/eventstoredb/server.ts'

vi.setConfig({ testTimeout: 120_000 })

const WORK = 'test/crash/apps/work.ts'

async function jobs(server: Answering): Promise<readonly Job[]> {
  return (await server.ask<readonly Job[]>('GET', '/api/v1/jobs')).body
}

/** Without positions: each log counts in its own way. */
async function history(server: Answering, { id }: Pick<Job, 'id'>): Promise<readonly object[]> {
  const { body } = await server.ask<readonly HistoryEvent[]>('GET', `/api/v1/jobs/${id}/$events`)
  return body.map(({ position: _, ...event }) => event)
}

function filesIn(directory: string): string {
  return readdirSync(directory)
    .filter((name) => !name.startsWith('lock.'))
    .map((name) => `${name}\n${readFileSync(join(directory, name), 'latin1')}`)
    .join('\n')
}

describe('capsule backup and capsule restore', () => {
  // A promise: see docs/promises.md.
  it('give back an app that says what it said, while the first one goes on', async () => {
    const root = await temporaryDirectory()
    const first = await serve({ app: WORK, data: join(root, 'data') })
    const done = await submit(first, 'plain', { ms: 1 })
    await until(first, done, 'completed')
    const gate = join(root, 'open')
    const open = await submit(first, 'gate', { file: gate })
    await until(first, open, 'running')

    const backup = await here(['backup', '--data', join(root, 'data'), '--to', `${root}/backups/`, '--json'])
    expect(backup.stderr).toBe('')
    expect(backup.code).toBe(0)
    const made = JSON.parse(backup.stdout) as { file: string; unfinished: number }
    expect(made.unfinished).toBe(1)
    const said = await Promise.all([done, open].map((job) => history(first, job)))

    // What comes after a backup is not in it.
    const later = await submit(first, 'plain', { ms: 1 })
    await until(first, later, 'completed')
    await first.kill()
    const full = await here(['restore', '--from', made.file, '--data', join(root, 'data')])
    expect(full).toMatchObject({ code: 1, stdout: '' })
    expect(full.stderr).toMatch(/^capsule: .* has a log .*Restore to another directory.*\n$/)

    const restored = await here(['restore', '--from', made.file, '--data', join(root, 'restored')])
    expect(restored).toMatchObject({ code: 0, stderr: '' })
    expect(restored.stdout).toMatch(/1 task had not ended then: what did so since runs again/)
    const second = await serveHere({ app: WORK, data: join(root, 'restored') })
    expect((await jobs(second)).map(({ id }) => id).sort()).toEqual([done.id, open.id].sort())
    expect(await history(second, done)).toEqual(said[0])
    expect((await history(second, open)).slice(0, said[1]?.length)).toEqual(said[1])
    await writeFile(gate, '')
    await until(second, open, 'completed')
    await second.stop()
  })

  it('find a backup whose name ends like a manifest', async () => {
    const root = await temporaryDirectory()
    const server = await serveHere({ app: WORK, data: join(root, 'data') })
    const file = join(root, 'nightly.json')
    expect(await here(['backup', '--data', join(root, 'data'), '--to', file])).toMatchObject({ code: 0 })
    await server.stop()
    for (const [from, to] of [
      [file, 'by-file'],
      [`${file}.json`, 'by-manifest'],
    ] as const)
      expect(await here(['restore', '--from', from, '--data', join(root, to)])).toMatchObject({ code: 0, stderr: '' })
  })

  it.each([
    [['backup'], /--to <path>/],
    [['backup', '--to', 'x', '--data', 'y', '--from', 'esdb://z'], /--from and --data/],
    [['backup', '--to', 'x', '--from', 'esdb://ann:s3cret@z'], /--app <name>/],
    [['backup', '--to', 'x', '--from', 'http://ann:s3cret@z'], /http:\/\/ is no log/],
    [['restore', '--from', 'x'], /--data <directory>/],
    [['migrate', '--from', 'esdb://ann:s3cret@z', '--to', 'x'], /--app <name>/],
    [['migrate', '--from', '/nowhere', '--to', 'x'], /has no log.*--from/],
  ])('used wrongly say how to: %j', async (args, says) => {
    const { code, stderr, stdout } = await here(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(says)
    expect(stderr).not.toContain('s3cret')
  })

  it.each(['backup', 'restore', 'migrate'])('%s shows an example', async (command) => {
    const { code, stdout } = await here([command, '--help'])
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`Examples?:\\n  capsule ${command} --`))
  })
})

describe('capsule migrate', () => {
  // A promise: see docs/promises.md.
  it('moves an app with its work to a cluster and back; neither place is served by mistake', async () => {
    const cluster = await FakeServer.start({ log: new Log() })
    onTestFinished(() => cluster.kill())
    const url = cluster.url.replace('esdb://', 'esdb://ann:s3cret@')
    const root = await temporaryDirectory()
    const data = join(root, 'data')
    const gate = join(root, 'open')
    const first = await serve({ app: WORK, data })
    const done = await submit(first, 'plain', { ms: 1 })
    await until(first, done, 'completed')
    const said = await history(first, done)
    const open = await submit(first, 'gate', { file: gate })
    await until(first, open, 'running')

    const inUse = await here(['migrate', '--from', data, '--to', url])
    expect(inUse).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/is in use by process \d+/) })
    await first.kill()

    const serving = ['serve', WORK, '--port', '0', '--data', data]
    const env = { EVENTSTORE_URL: url, DEBUG: 'capsule' }
    const early = await apart(serving, env)
    expect(early).toMatchObject({ code: 1, stdout: '' })
    expect(early.stderr).toMatch(/embedded log of work with work that has not ended .*capsule migrate/)

    const there = await here(['migrate', '--from', data, '--to', url])
    expect(there).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/events of work from .*verified/),
    })

    const late = await apart(serving, { DEBUG: 'capsule' })
    expect(late).toMatchObject({ code: 1, stdout: '' })
    expect(late.stderr).toMatch(/was moved to esdb:\/\/127\.0\.0\.1:\d+ at .*EVENTSTORE_URL/)

    const node = await serveHere({ app: WORK, data, env: { EVENTSTORE_URL: url } })
    expect(await history(node, done)).toEqual(said)
    // The node that ran it never was heard of on the cluster.
    await writeFile(gate, '')
    await until(node, open, 'completed')
    const working = await here(['migrate', '--app', 'work', '--from', url, '--to', join(root, 'back')])
    expect(working).toMatchObject({ code: 1, stderr: expect.stringMatching(/work\.node-\w+ is at work/) })
    expect(await node.stop()).toEqual({ clean: true })

    const backup = await here(['backup', '--app', 'work', '--to', join(root, 'cluster.db')], { EVENTSTORE_URL: url })
    expect(backup).toMatchObject({ code: 0, stderr: '' })

    const back = await here(['migrate', '--app', 'work', '--from', url, '--to', data, '--json'])
    expect(back).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(back.stdout)).toMatchObject({ app: 'work', to: data })
    const last = await serveHere({ app: WORK, data })
    expect(await history(last, done)).toEqual(said)
    await until(last, open, 'completed')
    await last.stop()

    await rm(gate)
    const output = [inUse, early, there, late, working, backup, back].flatMap(({ stdout, stderr }) => [stdout, stderr])
    const texts = [...output, filesIn(data), readFileSync(join(root, 'cluster.db.json'), 'utf8')]
    expect(texts.filter((text) => text.includes('s3cret'))).toEqual([])
  })
})
