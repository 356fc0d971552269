import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { z } from 'zod'
import * as actors from '../../src/actors/index.ts'
import {
  DataDirectoryInUse,
  StoreClosed,
  StoreCorrupt,
  StoreUnavailable,
  StreamDeleted,
} from '../../src/events/index.ts'
import { ERRORS, errorEntry } from '../../src/http/errors.ts'
import { createServer } from '../../src/http/index.ts'
import { HttpRefusal, toProblem } from '../../src/http/problems.ts'
import { FakeApp } from './fake-app.ts'

describe('the registry of errors', () => {
  it('is what docs/errors.md lists, both ways', async () => {
    const docs = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8')
    const rows = [...docs.matchAll(/^\| `([\w-]+)` +\| (\d+) +\| (.+?) +\|$/gm)].map(([, code, status, meaning]) => [
      code,
      Number(status),
      meaning,
    ])
    expect(rows).toEqual(Object.entries(ERRORS).map(([code, { status, meaning }]) => [code, status, meaning]))
  })

  it('has the code of every error class there is', async () => {
    const source = fileURLToPath(new URL('../../src/', import.meta.url))
    const files = (await readdir(source, { recursive: true })).filter((path) => path.endsWith('.ts'))
    const texts = await Promise.all(files.map((path) => readFile(join(source, path), 'utf8')))
    const codes = texts.flatMap((text) =>
      [...text.matchAll(/^ {2}readonly code = '([\w-]+)'$/gm)].map(([, code]) => code ?? ''),
    )
    expect(codes.length).toBeGreaterThan(15)
    expect(codes.filter((code) => !errorEntry(code))).toEqual([])
  })
})

describe('a problem', () => {
  it.each([
    [new actors.UnknownTask('x', ['y']), 'unknown-task', 404],
    [new actors.NotFound('job', 'j'), 'not-found', 404],
    [new actors.CommandRefused('cancel', 'It has ended.'), 'command-refused', 409],
    [new actors.LockHeldError('k', 't'), 'lock-held', 409],
    [new actors.IdempotencyConflict('k', 't'), 'idempotency-conflict', 409],
    [new actors.MailboxFull('s', 100), 'mailbox-full', 429],
    [new actors.TooContended('s', 5), 'too-contended', 503],
    [new actors.NotRunning(), 'not-running', 503],
    [new actors.HistoryCorrupt('s', 3n, 'why'), 'history-corrupt', 500],
    [new StoreUnavailable('No answer.', { retryable: true }), 'store-unavailable', 503],
    [new StoreClosed(), 'store-closed', 503],
    [new StreamDeleted('a.task-1'), 'stream-deleted', 410],
    [new DataDirectoryInUse({ directory: 'd', pid: 7 }), 'data-directory-in-use', 500],
  ])('of %s says what the error says', (error, code, status) => {
    const { problem, headers } = toProblem(error, '/x')
    expect(problem).toEqual({
      type: `urn:capsule:error:${code}`,
      title: errorEntry(code)?.title,
      status,
      detail: error.message,
      instance: '/x',
    })
    expect('retry-after' in headers).toBe(status === 503 || status === 429)
  })

  it('lists every place where the input does not fit', () => {
    const { error } = z.object({ a: z.string(), b: z.object({ c: z.number() }) }).safeParse({ b: { c: 'x' } })
    expect(toProblem(error).problem).toMatchObject({
      status: 422,
      errors: [
        { path: 'a', message: expect.any(String) },
        { path: 'b.c', message: expect.any(String) },
      ],
    })
    const invalid = new actors.InvalidInput('The input of x does not fit', [{ path: 'a', message: 'is missing' }])
    expect(toProblem(invalid).problem).toMatchObject({
      detail: 'The input of x does not fit: a: is missing',
      errors: [{ path: 'a', message: 'is missing' }],
    })
  })

  it('keeps what nobody expected to itself', () => {
    for (const error of [
      new Error('secret'),
      'secret',
      null,
      { message: 'secret' },
      Object.assign(new Error('secret'), { code: 'EACCES' }),
    ]) {
      const { problem, unexpected } = toProblem(error)
      expect(problem).toMatchObject({ status: 500, type: 'urn:capsule:error:internal' })
      expect(JSON.stringify(problem)).not.toContain('secret')
      expect(unexpected).toBe(true)
    }
  })

  it('brings the headers that belong to it', () => {
    expect(toProblem(new HttpRefusal('method-not-allowed', 'No.', { allow: 'GET' })).headers).toEqual({ allow: 'GET' })
  })
})

describe('what the server tells of its own faults', () => {
  it('says once what a store has to say at every request, and where another error came from each time', async () => {
    const lines = vi.spyOn(console, 'error').mockImplementation(() => {})
    onTestFinished(() => lines.mockRestore())
    const app = new FakeApp()
    const server = await createServer(app, { port: 0 })
    onTestFinished(() => server.close())
    const unforeseen = new TypeError('no such thing')
    for (const error of [
      new StoreCorrupt('Restore a backup.'),
      new StoreCorrupt('Restore a backup.'),
      unforeseen,
      unforeseen,
    ]) {
      vi.spyOn(app.reads, 'jobs').mockRejectedValueOnce(error)
      expect((await server.inject({ url: '/api/v1/jobs', headers: { host: 'localhost' } })).statusCode).toBe(500)
    }
    expect(lines.mock.calls).toEqual([
      [expect.stringMatching(/^capsule: GET \/api\/v1\/jobs \(request .*\): Restore a backup\.$/)],
      [expect.any(String), unforeseen],
      [expect.any(String), unforeseen],
    ])
  })
})
