/** What the log as a whole holds to: its hash chains, who did what, and the read models made of it. */
import { isDeepStrictEqual } from 'node:util'
import { expectedHash, GENESIS, openMemoryStore, type RecordedEvent } from '../../../src/events/index.ts'
import { openReadModels, type ReadModels } from '../../../src/projections/index.ts'
import { type History, type Invariant, streamsOf } from '../history.ts'
import { APP } from '../simulated-app.ts'

export const logInvariants: readonly Invariant[] = [
  { name: 'hash chains verify', check: chained },
  { name: 'a command is carried out once', check: onceEach },
  { name: 'what was acknowledged is recorded', check: tookEffect },
  { name: 'read models equal the log', check: readModels },
]

/** A rebuild costs as much as half a simulation. */
const REBUILT_EVERY = 5

function* chained({ events }: History): Iterable<string> {
  const last = new Map<string, string>()
  const revisions = new Map<string, bigint>()
  for (const event of events) {
    const { stream, revision, metadata } = event
    const expected = (revisions.get(stream) ?? -1n) + 1n
    if (revision !== expected) yield `${stream} goes on with ${revision}, not ${expected}`
    revisions.set(stream, revision)
    if (stream.startsWith(`${APP}.node-`)) continue
    if (metadata.hash !== expectedHash(last.get(stream) ?? GENESIS, event)) yield `${stream} breaks at ${revision}`
    last.set(stream, metadata.hash ?? '')
  }
}

/** All that one command of a client adds to a stream is one append. */
function* onceEach({ events }: History): Iterable<string> {
  const latest = new Map<string, RecordedEvent>()
  for (const event of events) {
    const { commandId, at } = event.metadata
    if (commandId === undefined) continue
    const key = `${event.stream} ${commandId}`
    const before = latest.get(key)
    if (before && (before.revision + 1n !== event.revision || before.metadata.at !== at)) {
      yield `command ${commandId} was carried out twice on ${event.stream}, at ${before.revision} and ${event.revision}`
    }
    latest.set(key, event)
  }
}

function* tookEffect({ events, acknowledged }: History): Iterable<string> {
  const byCommand = new Map<string, RecordedEvent[]>()
  for (const event of events) {
    const { commandId } = event.metadata
    if (commandId !== undefined) byCommand.set(commandId, [...(byCommand.get(commandId) ?? []), event])
  }
  for (const { command, commandId, id } of acknowledged) {
    if (command !== 'trigger' && command !== 'retry') continue
    const done = byCommand.get(commandId) ?? []
    const type = command === 'trigger' ? 'OccurrenceDue' : 'TaskRequeued'
    const caused = (event: RecordedEvent) => done.some((cause) => event.metadata.causationId === cause.id)
    if (!done.some((event) => event.type === type) && !events.some((event) => event.type === type && caused(event))) {
      yield `${command} ${id} (${commandId}) was acknowledged and nothing came of it`
    }
  }
}

async function* readModels({ seed, events, reads }: History): AsyncIterable<string> {
  yield* statuses(events, reads)
  if (seed % REBUILT_EVERY !== 0) return
  const fresh = await built(events)
  try {
    yield* same('jobs', await reads.jobs({ limit: 500 }), await fresh.jobs({ limit: 500 }))
    yield* same('schedules', await reads.schedules(), await fresh.schedules())
    yield* same('locks', await reads.locks(), await fresh.locks())
    for (const id of streamsOf(events, 'session').keys()) {
      yield* same(`transcript of ${id}`, await reads.transcript(id), await fresh.transcript(id))
    }
  } finally {
    await fresh.close()
  }
}

/** Made of the whole log at once. */
async function built(events: readonly RecordedEvent[]): Promise<ReadModels> {
  const store = openMemoryStore()
  for (const { stream, id, type, data, metadata } of events) {
    await store.append(stream, 'any', [{ id, type, data, metadata }])
  }
  const reads = await openReadModels({ app: APP, store })
  await reads.waitFor(await store.head())
  return reads
}

function* same(what: string, followed: unknown, rebuilt: unknown): Iterable<string> {
  if (isDeepStrictEqual(followed, rebuilt)) return
  yield `${what} as followed: ${printed(followed)}; as rebuilt: ${printed(rebuilt)}`
}

const STATUS: Readonly<Record<string, string>> = {
  TaskSubmitted: 'pending',
  TaskScheduled: 'scheduled',
  TaskStarted: 'running',
  TaskRetryScheduled: 'retry',
  TaskInterrupted: 'retry',
  TaskRequeued: 'pending',
  TaskCompleted: 'completed',
  TaskFailed: 'failed',
  TaskTimedOut: 'timeout',
  TaskCancelled: 'cancelled',
}

async function* statuses(events: readonly RecordedEvent[], reads: ReadModels): AsyncIterable<string> {
  for (const [id, stream] of streamsOf(events, 'task')) {
    const job = await reads.job(id)
    const hidden = stream.some(({ type }) => type === 'TaskDeleted')
    const expected = hidden ? undefined : STATUS[stream.findLast(({ type }) => type in STATUS)?.type ?? '']
    if (job?.status !== expected) yield `job ${id} is shown as ${job?.status}, it is ${expected}`
    const starts = stream.filter(({ type }) => type === 'TaskStarted').length
    if (job && job.attempt !== starts) yield `job ${id} is shown at attempt ${job.attempt}, it has had ${starts}`
  }
}

function printed(value: unknown): string {
  return JSON.stringify(value, (_, member) => (typeof member === 'bigint' ? String(member) : member)) ?? 'nothing'
}
