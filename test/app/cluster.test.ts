/**
 * Nodes on the log of a cluster, through its protocol: the threads, connections and directories that `capsule serve` and
 * `capsule worker` use with EVENTSTORE_URL, over a server of the tests' own.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createApp, type Engine, startApp } from '../../src/app/index.ts'
import { DataDirectoryInUse } from '../../src/events/index.ts'
import { eventually } from '../crash/server.ts'
import { FakeServer, Log } from '../events/eventstoredb/server.ts'

vi.setConfig({ testTimeout: 60_000 })

const caller = { by: 'user:ada', ownerId: 'ada' } as const

async function directory(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'capsule-node-'))
  onTestFinished(() => rm(made, { recursive: true, force: true, maxRetries: 5 }))
  return made
}

async function server(): Promise<FakeServer> {
  const started = await FakeServer.start({ log: new Log() })
  onTestFinished(() => started.kill())
  return started
}

const stopped = new Set<Engine>()

async function stop(engine: Engine): Promise<void> {
  if (stopped.has(engine)) return
  stopped.add(engine)
  await engine.stop({ drainMs: 0 })
}

async function node(eventstore: string, data: string, ran: string[] = []): Promise<Engine> {
  const app = createApp({ name: 'demo' })
  app.task('work', async ({ n }: { n: number }) => {
    ran.push(`${n}`)
    return { n }
  })
  const engine = await startApp(app, { eventstore, data, report: () => {} })
  onTestFinished(() => stop(engine))
  return engine
}

test('two nodes see each other, and what is done on one is in the read models of both', async () => {
  const { url } = await server()
  const [a, b] = [await node(url, await directory()), await node(url, await directory())]
  const { taskId, position } = await a.submit({ name: 'work', params: { n: 1 } }, caller)
  await b.reads.waitFor(position, 30_000)
  expect(await b.reads.job(taskId)).toMatchObject({ name: 'work' })
  expect(await b.waitForJob(taskId, 30_000)).toMatchObject({ result: { n: 1 } })
  expect(await eventually('both to be heard', () => (a.nodes.length === 2 && b.nodes.length === 2) || undefined)).toBe(
    true,
  )
})

test('a directory belongs to one node, and is free when that one has stopped', async () => {
  const { url } = await server()
  const data = await directory()
  const first = await node(url, data)
  await expect(node(url, data)).rejects.toThrow(DataDirectoryInUse)
  await stop(first)
  const second = await node(url, data)
  expect(second.nodeId).not.toBe(first.nodeId)
})

test('a node beside an embedded log is refused while that has work, and told of it when it has none', async () => {
  const { url } = await server()
  const data = await directory()
  const embedded = createApp({ name: 'demo' })
  embedded.task('work', async () => 'done')
  const alone = await startApp(embedded, { data, report: () => {} })
  const { taskId } = await alone.submit({ name: 'work', params: { n: 1 }, delay: 3_600_000 }, caller)
  await stop(alone)
  await expect(node(url, data)).rejects.toMatchObject({ code: 'log-not-moved', stream: `demo.task-${taskId}` })

  const again = await startApp(embedded, { data, report: () => {} })
  await again.cancelJob(taskId, caller)
  await stop(again)
  const told: unknown[] = []
  const app = createApp({ name: 'demo' })
  const engine = await startApp(app, { eventstore: url, data, report: (what) => void told.push(what) })
  onTestFinished(() => stop(engine))
  expect(told).toEqual([expect.stringMatching(/embedded log of demo.*has ended.*capsule migrate/)])
})

test('read models and snapshots are made again when their files are gone', async () => {
  const { url } = await server()
  const data = await directory()
  const first = await node(url, data)
  const { taskId } = await first.submit({ name: 'work', params: { n: 1 } }, caller)
  await first.waitForJob(taskId, 30_000)
  await stop(first)
  for (const file of ['read.db', 'snapshots.db']) await rm(join(data, file))
  const second = await node(url, data)
  expect(await second.reads.job(taskId)).toMatchObject({ status: 'completed' })
})

test('a server that is killed and comes back is followed again, and everything submitted runs once', async () => {
  const log = new Log()
  const first = await FakeServer.start({ log })
  const ran: string[] = []
  const engine = await node(first.url, await directory(), ran)
  const before = await engine.submit({ name: 'work', params: { n: 1 } }, caller)
  await engine.waitForJob(before.taskId, 30_000)
  first.kill()
  const second = await FakeServer.start({ log, port: first.port })
  const after = await eventually('the server to answer', async () => {
    try {
      return await engine.submit({ name: 'work', params: { n: 2 } }, { ...caller, commandId: 'second' })
    } catch {
      return undefined
    }
  })
  expect(await engine.waitForJob(after.taskId, 30_000)).toMatchObject({ status: 'completed' })
  await engine.reads.waitFor(after.position, 30_000)
  expect(ran).toEqual(['1', '2'])
  await stop(engine)
  second.kill()
})

test('a user that is refused for a while costs nothing: what ended meanwhile ends, and what came due runs', async () => {
  let refuses = false
  const running = await FakeServer.start({ log: new Log(), fault: () => (refuses ? 'denied' : undefined) })
  onTestFinished(() => running.kill())
  const ends = Promise.withResolvers<void>()
  const app = createApp({ name: 'demo' })
  app.task('long', async () => {
    await ends.promise
    return 'done'
  })
  app.task('work', async () => 'done')
  const engine = await startApp(app, { eventstore: running.url, data: await directory(), report: () => {} })
  onTestFinished(() => stop(engine))
  const long = await engine.submit({ name: 'long', params: {} }, caller)
  const due = await engine.submit({ name: 'work', params: {}, delay: 0.5 }, caller)
  refuses = true
  ends.resolve()
  await eventually('it to be refused', async () => {
    const [check] = await engine.health()
    return check?.detail?.includes('refuses this user') || undefined
  })
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  refuses = false
  for (const { taskId } of [long, due]) {
    expect(await engine.waitForJob(taskId, 15_000)).toMatchObject({ status: 'completed', attempt: 1 })
  }
})
