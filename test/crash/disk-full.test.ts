/**
 * A disk that is full, as a real server meets it: who asks is told what to do, nothing half-recorded is left, what runs
 * waits with its end, and once there is room everything goes on by itself. The store plays the disk (CAPSULE_FAULT), so
 * that the test needs no rights.
 */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Job, Problem } from '../../src/http/wire.ts'
import { boardDifferences } from './board.ts'
import { readHistory, settled, violations } from './history.ts'
import { eventually, serve, submit, temporaryDirectory, until } from './server.ts'

it('a full disk is told of, stops nothing for good, and nothing runs twice', { timeout: 120_000 }, async () => {
  const data = await temporaryDirectory()
  const [full, gate] = [join(data, 'full'), join(data, 'gate')]
  const server = await serve({
    app: 'test/crash/apps/work.ts',
    data,
    env: { CAPSULE_FAULT: `store:full-while:${full}` },
  })
  const running = await submit(server, 'gate', { file: gate })
  const careless = await submit(server, 'careless', { file: gate })
  const delayed = await submit(server, 'plain', { n: 1 }, { delay: '1s' })
  for (const job of [running, careless]) await until(server, job, 'running')

  await writeFile(full, '')
  const ask = () => server.ask<Job & Problem>('POST', '/api/v1/tasks/plain/$submit', { params: { n: 2 } }, KEY)
  const refused = await ask()
  expect(refused).toMatchObject({
    status: 503,
    body: {
      type: 'urn:capsule:error:store-unavailable',
      detail: expect.stringMatching(/disk is full.*Make room/),
    },
  })
  expect(refused.headers.get('content-type')).toContain('application/problem+json')
  expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
  expect((await server.ask('GET', '/health')).status).toBe(503)
  // The handler comes to its end, which cannot be recorded yet; the delayed one is due, and cannot be claimed.
  await writeFile(gate, '')
  const passed = async () => (await readFile(`${gate}.passed`, 'utf8').catch(() => '')) || undefined
  expect(await eventually('the handler to end', passed)).toBe('passed\n')
  await eventually('the delayed task to be due', () => Date.now() > Date.parse(delayed.run_at ?? '') || undefined)
  expect((await ask()).status).toBe(503)
  const told = () => server.stderr.match(/appending to the log: The disk is full.*Make room\./g)
  expect(await eventually('the word of it', () => told() ?? undefined)).toHaveLength(1)
  // Reading goes on all the while, though nobody caught what became of the careless one's line.
  expect((await server.ask<Job>('GET', `/api/v1/jobs/${running.id}`)).body.status).toBe('running')
  expect((await server.ask<Job>('GET', `/api/v1/jobs/${delayed.id}`)).body.status).toBe('scheduled')
  expect((await readHistory(data)).jobs.size).toBe(3)

  await rm(full)
  const taken = await ask()
  expect(taken.status).toBe(202)
  for (const job of [running, careless, delayed, taken.body]) await until(server, job, 'completed')
  expect((await server.ask('GET', '/health')).status).toBe(200)
  const history = await settled(data)
  expect(await passed()).toBe('passed\n')
  expect(history.jobs.size).toBe(4)
  for (const { attempt, failures } of history.jobs.values())
    expect({ attempt, failures }).toEqual({ attempt: 1, failures: 0 })
  expect(violations(history)).toEqual([])
  expect(await boardDifferences(server, history)).toEqual([])
  expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null })
})

const KEY = { 'idempotency-key': 'the same' }
