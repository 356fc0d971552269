import { expect, test } from 'vitest'
import { ActorSystem, HistoryCorrupt, Replayer, taskKind, WrittenByNewerCode } from '../../src/actors/index.ts'
import { type EventStore, openMemoryStore, type RecordedEvent, StoreUnavailable } from '../../src/events/index.ts'
import { submission } from './given.ts'
import { unavailable } from './stores.ts'

const BY = { by: 'user:ada' } as const

/** Tasks that take turns, so that each is left and come back to. */
async function log(tasks: number) {
  const store = openMemoryStore()
  const system = new ActorSystem({ app: 'demo', store })
  const ids = Array.from({ length: tasks }, (_, n) => `t${n}`)
  for (const id of ids) await system.execute(taskKind, id, { type: 'submit', submission: submission() }, BY)
  for (const id of ids) await system.execute(taskKind, id, { type: 'start', node: 'n1' }, BY)
  for (const id of ids) await system.execute(taskKind, id, { type: 'cancel' }, BY)
  return { store, system, ids, events: await store.readAll({ limit: 1000 }) }
}

async function forge(store: EventStore, type: string, v = 1): Promise<void> {
  const at = new Date(0).toISOString()
  const metadata = { at, by: 'system', correlationId: 'x', causationId: 'x', v, hash: 'f'.repeat(64) } as const
  await store.append('demo.task-t0', 'any', [{ id: crypto.randomUUID(), type, data: {}, metadata }])
}

async function endsOf(replayer: Replayer, events: readonly RecordedEvent[]) {
  const ends = new Map<string, string | undefined>()
  for (const event of events) ends.set(event.stream, (await replayer.take(event))?.after.value)
  return ends
}

test.each([1, 3, 100])('leads where the system was led, with room for %d states', async (held) => {
  const { store, system, ids, events } = await log(10)
  const ends = await endsOf(new Replayer({ app: 'demo', log: store, held }), events)
  for (const id of ids) expect(ends.get(`demo.task-${id}`)).toBe((await system.read(taskKind, id)).state.value)
})

test('tells of each event what it did', async () => {
  const { store, events } = await log(1)
  const replayer = new Replayer({ app: 'demo', log: store })
  const states: string[] = []
  for (const event of events) {
    const { before, after } = (await replayer.take(event)) ?? {}
    states.push(`${before?.value} to ${after?.value}`)
  }
  expect(states).toEqual(['new to pending', 'pending to running', 'running to running'])
})

test.each([
  { what: 'does not follow from those before it', type: 'TaskSubmitted', v: 1, error: HistoryCorrupt },
  { what: 'is of a newer version', type: 'TaskCompleted', v: 99, error: WrittenByNewerCode },
  { what: 'has a name that nobody knows', type: 'TaskPraised', v: 1, error: WrittenByNewerCode },
])('an event that $what is told once, and the stream is left', async ({ type, v, error }) => {
  const { store } = await log(1)
  await forge(store, type, v)
  await forge(store, type, v)
  const replayer = new Replayer({ app: 'demo', log: store })
  const thrown: unknown[] = []
  for (const event of await store.readAll()) await replayer.take(event).catch((reason) => thrown.push(reason))
  expect(thrown).toEqual([expect.any(error)])
})

test('says nothing of a stream that goes meanwhile, whatever the log still gives of it', async () => {
  const { store, events } = await log(2)
  await store.deleteStream('demo.task-t0', 2n)
  for (const part of [events, events.slice(2), events.filter(({ revision }) => revision !== 1n)]) {
    const ends = await endsOf(new Replayer({ app: 'demo', log: store, held: 1 }), part.filter(isOf('demo.task-t0')))
    expect(ends.get('demo.task-t0')).toBeOneOf(['running', undefined])
  }
})

test('a log that does not answer is no fault of a stream: it goes on when it does', async () => {
  const { store, events } = await log(1)
  let isAway = true
  const readStream: EventStore['readStream'] = (...of) =>
    isAway ? Promise.reject(unavailable()) : store.readStream(...of)
  const replayer = new Replayer({ app: 'demo', log: { readStream } })
  const second = events[1] as RecordedEvent
  await expect(replayer.take(second)).rejects.toBeInstanceOf(StoreUnavailable)
  isAway = false
  expect((await replayer.take(second))?.after.value).toBe('running')
})

test('takes no event of another app, or of what is no actor', async () => {
  const { store, events } = await log(1)
  expect(await new Replayer({ app: 'other', log: store }).take(events[0] as RecordedEvent)).toBeUndefined()
})

const isOf = (name: string) => (event: RecordedEvent) => event.stream === name
