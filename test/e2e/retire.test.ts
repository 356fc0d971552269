/** Retention and audits as an operator does them: with the command, beside a server that works and without one. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { run, serve, submit, temporaryDirectory, until } from '../crash/server.ts'

vi.setConfig({ testTimeout: 120_000 })

const WORK = 'test/crash/apps/work.ts'

describe('capsule retire and capsule audit', () => {
  it('take ended jobs out of the log, and prove what is left and what went', async () => {
    const data = join(await temporaryDirectory(), 'data')
    const server = await serve({ app: WORK, data })
    const ids = [await submit(server, 'plain', { ms: 1 }), await submit(server, 'plain', { ms: 1 })]
    for (const id of ids) await until(server, id, 'completed')

    // Beside the server: reading is for anybody, changing is the server's.
    expect(await run(['audit', 'verify', '--data', data])).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/^\d+ events in \d+ streams are as they were appended\.\n$/),
    })
    const refused = await run(['retire', '--older-than', '0s', '--data', data])
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toMatch(/^capsule: .* is in use by process \d+\. .*--url, as http.*\n$/)
    const there = ['--url', server.url]
    const dry = await run(['retire', '--older-than', '0s', '--dry-run', ...there])
    expect(dry).toMatchObject({ code: 0, stdout: '2 streams with 6 events would go. Nothing was changed.\n' })
    const one = await run(['retire', '--older-than', '0s', '--limit', '1', ...there])
    expect(one.stdout).toMatch(
      /^1 stream with 3 events went to .*archive \(\d+ bytes\)\.\nThere is more: run it again\.\n$/,
    )
    expect(
      await run(['audit', 'verify', '--archive', '--json', ...there]).then(({ stdout }) => JSON.parse(stdout)),
    ).toMatchObject({ ok: true, retired: 1, archived: 1 })
    const left = (await server.ask<readonly { id: string }[]>('GET', '/api/v1/jobs')).body.map(({ id }) => id)
    expect(left).toHaveLength(1)
    const shown = await run(['audit', 'show', `task-${left[0]}`, ...there])
    expect(shown.stdout).toMatch(
      /^ {3}0 {2}\S+Z {2}TaskSubmitted {2}by user:local .*\n.*TaskStarted.*\n.*TaskCompleted.*\n$/,
    )
    const exported = join(data, '..', 'server.jsonl')
    expect((await run(['audit', 'export', '--to', exported, ...there])).code).toBe(0)

    // Without it: the command does the same.
    await server.end('SIGTERM')
    const json = await run(['retire', '--older-than', '0s', '--data', data, '--json'])
    expect(JSON.parse(json.stdout)).toMatchObject({ retired: 1, kept: {}, more: false })
    const gone = await run(['audit', 'show', `task-${left[0]}`, '--data', data])
    expect(gone).toMatchObject({ code: 1, stdout: '' })
    expect(gone.stderr).toContain('It may have been retired')
    expect((await run(['audit', 'verify', '--data', data, '--archive'])).stdout).toContain(
      'each is in the archive, whole',
    )

    const own = join(data, '..', 'log.jsonl')
    expect((await run(['audit', 'export', '--to', own, '--data', data])).stdout).toMatch(/has \d+ events\.\n$/)
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
    expect(await run(['audit', 'export', '--to', own, '--data', data])).toMatchObject({ code: 1 })

    const archive = join(data, 'archive')
    const [segment = ''] = (await readdir(archive)).filter((file) => file.endsWith('.jsonl'))
    const text = await readFile(join(archive, segment), 'utf8')
    await writeFile(join(archive, segment), text.replace('"TaskCompleted"', '"TaskCancelled"'))
    const broken = await run(['audit', 'verify', '--data', data, '--archive'])
    expect(broken).toMatchObject({ code: 1, stdout: '' })
    expect(broken.stderr).toMatch(
      /^capsule: In \S+\.jsonl of the archive revision 2 of \S+\.task-\S+ is not as it was appended\..*\n$/,
    )
  })

  it.each([
    { args: ['retire'], says: '--older-than' },
    { args: ['retire', '--older-than', '90d', '--url', 'http://127.0.0.1:1', '--data', 'x'], says: 'give one' },
    { args: ['retire', '--older-than', '90d', '--key', 'x'], says: 'name it with --url' },
  ])('used wrongly say how: $args', async ({ args, says }) => {
    const { code, stdout, stderr } = await run(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(says)
  })

  it('make no log where there is none', async () => {
    const data = join(await temporaryDirectory(), 'none')
    for (const args of [
      ['retire', '--older-than', '90d'],
      ['audit', 'verify'],
    ]) {
      const { code, stderr } = await run([...args, '--data', data])
      expect(code).toBe(1)
      expect(stderr).toMatch(/^capsule: .*none has no log\. Name the data directory.*\n$/)
    }
    await expect(stat(data)).rejects.toThrow('ENOENT')
  })
})
