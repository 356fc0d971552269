/**
 * Two thousand tasks under fire: fifty clients submit while the server is killed five times at random moments and comes
 * back on the same port and data. Clients repeat what they got no answer for, with the same key; nothing else helps.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { Job } from '../../src/http/wire.ts'
import type { JobRecord } from '../../src/projections/index.ts'
import { boardDifferences } from './board.ts'
import { count, settled, violations } from './history.ts'
import { ConnectionLost, complaints, type RunningServer, serve, temporaryDirectory } from './server.ts'

const TASKS = 2000
const CLIENTS = 50
const KILLS = 5
/** A run that failed is run again with its seed. */
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32))

interface Work {
  readonly task: string
  readonly params: { readonly n: number; readonly ms?: number; readonly key?: string }
}

/** Half do nothing, the others sleep a little, fail at first, or share one of a few locks. */
function workOf(n: number, random: () => number): Work {
  const dice = random()
  const key = `k${Math.floor(random() * 5)}`
  if (dice < 0.5) return { task: 'plain', params: { n } }
  if (dice < 0.7) return { task: 'plain', params: { n, ms: Math.floor(random() * 50) } }
  if (dice < 0.85) return { task: 'flaky', params: { n } }
  if (dice < 0.93) return { task: 'queue', params: { n, key } }
  return { task: 'join', params: { n, key } }
}

it(`loses none of ${TASKS} tasks over ${KILLS} kills (SEED=${SEED})`, { timeout: 300_000 }, async () => {
  const random = mulberry32(SEED)
  const options = { app: 'test/crash/apps/work.ts', data: await temporaryDirectory() }
  let server = await serve(options)
  const acknowledged = new Map<number, string>()
  const queue = Array.from({ length: TASKS }, (_, n) => ({ n, ...workOf(n, random) })).values()
  // In fifths of the work, each a random part of the way in.
  const kills = Array.from({ length: KILLS }, (_, index) => Math.floor(((index + random()) * TASKS) / KILLS))

  const client = async () => {
    for (const { n, task, params } of queue) {
      const { id } = await untilAnswered(() => server, `/api/v1/tasks/${task}/$submit`, { params }, `key-${n}`)
      acknowledged.set(n, id)
    }
  }
  const killer = async () => {
    for (const at of kills) {
      while (acknowledged.size < at) await pause(5)
      const { port } = server
      await server.kill()
      server = await serve({ ...options, port })
    }
  }
  await Promise.all([killer(), ...Array.from({ length: CLIENTS }, client)])

  const history = await settled(options.data, 120_000)
  expect(acknowledged.size).toBe(TASKS)
  expect([...acknowledged.values()].filter((id) => !history.jobs.has(id))).toEqual([])
  // Whether a failure that the moments of the kills allow is founded, `violations` asks the task's stream.
  expect([...history.jobs.values()].filter((job) => job.status !== 'completed' && !mayHaveFailed(job))).toEqual([])
  const poisoned = [...history.jobs.values()].filter(isPoisoned)
  // It takes two kills to be suspected, and the third meets one task that runs alone.
  expect(poisoned.length).toBeLessThanOrEqual(KILLS - 2)
  expect(count(history.events, ['NodeStarted'])).toBe(KILLS + 1)
  // Only a task of a lock may stand for several submits.
  const joined = new Set([...history.jobs.values()].filter(({ name }) => name === 'join').map(({ id }) => id))
  const others = [...acknowledged.values()].filter((id) => !joined.has(id))
  expect(new Set(others).size).toBe(others.length)
  expect(new Set(acknowledged.values()).size).toBe(history.jobs.size)
  expect(violations(history)).toEqual([])
  expect(await boardDifferences(server, history)).toEqual([])
  expect(complaints(server)).toEqual([])
})

/**
 * A kill is the end of a process for which no task is to blame, but one that runs alone at its third is blamed, as the
 * product promises. A flaky one fails its first attempt in each process, and there are more processes than its retries.
 */
function mayHaveFailed(job: JobRecord): boolean {
  const ranOut = job.name === 'flaky' && job.failures === job.retries + 1
  return job.status === 'failed' && (isPoisoned(job) || ranOut)
}

function isPoisoned({ error }: JobRecord): boolean {
  return error?.type === 'Poisoned'
}

/** Asks the server of the moment, again and again with the same key, as a client that must get through does. */
async function untilAnswered(server: () => RunningServer, path: string, body: object, key: string): Promise<Job> {
  for (;;) {
    try {
      const answer = await server().ask<Job>('POST', path, body, { 'idempotency-key': key })
      if (answer.status < 300) return answer.body
      // Busy: asks to be tried again. Anything else will not get better.
      if (answer.status !== 429 && answer.status !== 503) throw new Error(`${path}: ${JSON.stringify(answer.body)}`)
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error
    }
    // Fifty of them knock while there is no server.
    await pause(200)
  }
}

/** A small seeded generator, 0 ≤ x < 1. Source: T. Ettinger's Mulberry32, public domain. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
