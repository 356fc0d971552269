/** How fast the read models take in the log, beside a bare insert loop, and how long the board's questions take then. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { JsonObject, Position, RecordedEvent } from '../src/events/index.ts'
import { openReadCore, openReadDatabase, type ReadCore } from '../src/projections/index.ts'
import { apart, type Benchmark, type Measurement, median, monotonic, timed } from './harness.ts'
import { APP } from './histories.ts'

const TASKS = 100_000
const BATCH = 500
const EVENTS = TASKS * 3
/** How many tasks are between a submission and its start, and between that and the end. */
const LAG = 1000
const NAMES = ['build_report', 'send_mail', 'resize_image', 'sync_contacts']

export const projections: Benchmark = {
  name: 'projections',
  about: `${EVENTS} events of ${TASKS} tasks, ${BATCH} a commit; the bare loop inserts them into one table; then questions to the result`,
  rounds: 3,
  round: (directory) => apart(import.meta.url, project, directory),
}

export async function project(directory: string): Promise<Measurement[]> {
  const bare = insertEvents(join(directory, 'bare.db'))
  const db = openReadDatabase(join(directory, 'read.db'))
  const core = openReadCore({ db, app: APP })
  const rate = rateOf((batch) => core.apply(batch))
  const questions = await askAll(core)
  db.close()
  return [
    {
      what: 'all read models',
      value: rate,
      unit: 'events/s',
      bare: { what: 'bare SQLite loop, as many a commit', value: bare },
    },
    ...questions,
  ]
}

async function askAll(core: ReadCore): Promise<Measurement[]> {
  const columns = [
    { label: 'Queued', statuses: ['pending', 'retry'] },
    { label: 'Running', statuses: ['running'] },
    { label: 'Completed', statuses: ['completed'] },
    { label: 'Failed', statuses: ['failed', 'timeout', 'cancelled'] },
  ] as const
  const windows = columns.map(() => ({ after: 0, limit: 50 }))
  const board = (filter: object) => () => core.ask('board', { filter, columns, windows })
  const questions: Record<string, () => unknown> = {
    'the board': board({}),
    'the board of a task': board({ name: 'send_mail' }),
    'the board of an owner': board({ ownerId: 'local' }),
    'the board, searched for a rare text': board({ q: 'report-17 ' }),
    'a page of jobs': () => core.ask('jobs', {}),
    'a page of failed jobs': () => core.ask('jobs', { status: ['failed'] }),
    'a page of jobs by an input': () => core.ask('jobs', { params: { report_id: 'report-17' } }),
  }
  const measurements: Measurement[] = []
  for (const [what, ask] of Object.entries(questions)) {
    const times: number[] = []
    while (times.length < 6) times.push(await timed(ask))
    measurements.push({ what, value: median(times), unit: 'ms' })
  }
  return measurements
}

function insertEvents(file: string): number {
  const db = openReadDatabase(file)
  db.exec(
    'CREATE TABLE events (position INTEGER PRIMARY KEY, stream TEXT, revision INTEGER, type TEXT, data TEXT, metadata TEXT)',
  )
  const insert = db.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)')
  const rate = rateOf((batch) => {
    db.exec('BEGIN')
    for (const { position, stream, revision, type, data, metadata } of batch) {
      insert.run(Number(position), stream, Number(revision), type, JSON.stringify(data), JSON.stringify(metadata))
    }
    db.exec('COMMIT')
  })
  db.close()
  return rate
}

/** Events a second, without the time it takes to make them up. */
function rateOf(take: (batch: readonly RecordedEvent[]) => void): number {
  let spent = 0
  for (const batch of batches()) {
    const began = monotonic()
    take(batch)
    spent += monotonic() - began
  }
  return (EVENTS / spent) * 1000
}

function* batches(): Generator<RecordedEvent[]> {
  let position = 0
  let batch: RecordedEvent[] = []
  const ids: string[] = []
  const claims: string[] = []
  const event = (task: number, revision: number, type: string, data: JsonObject): RecordedEvent => ({
    id: randomUUID(),
    type,
    data,
    metadata: {
      at: new Date(1_767_600_000_000 + position).toISOString(),
      by: 'node:n1',
      correlationId: ids[task] ?? '',
      causationId: ids[task] ?? '',
      v: 1,
      hash: '0'.repeat(64),
    },
    stream: `${APP}.task-${ids[task]}`,
    revision: BigInt(revision),
    position: BigInt(position++) as Position,
    recordedAt: 0,
  })
  for (let i = 0; i < TASKS + 2 * LAG; i++) {
    if (i < TASKS) {
      ids[i] = timeOrderedId(i)
      batch.push(event(i, 0, 'TaskSubmitted', submission(i)))
    }
    if (i >= LAG && i < TASKS + LAG) {
      const started = event(i - LAG, 1, 'TaskStarted', { attempt: 1, node: 'n1', deadline: '2026-01-05T09:00:00.000Z' })
      claims[i - LAG] = started.id
      batch.push(started)
    }
    if (i >= 2 * LAG) {
      const claim = claims[i - 2 * LAG] ?? ''
      const error = { type: 'Error', message: 'broken', retryable: false }
      if (i % 50 === 0) batch.push(event(i - 2 * LAG, 2, 'TaskFailed', { claim, error }))
      else batch.push(event(i - 2 * LAG, 2, 'TaskCompleted', { claim, result: { ok: true, i } }))
    }
    if (batch.length >= BATCH) {
      yield batch
      batch = []
    }
  }
  if (batch.length > 0) yield batch
}

function submission(i: number): JsonObject {
  return {
    name: NAMES[i % NAMES.length],
    params: { report_id: `report-${i}`, duration: 5, recipients: ['a@example.org', 'b@example.org'] },
    ownerId: 'local',
    sessionId: `session-${i % 20}`,
    priority: 0,
    tags: [],
    retries: 1,
    backoff: { base: 1000, factor: 2, max: 300000 },
    graceMs: 5000,
  }
}

/** Like a UUIDv7: ids that follow each other in time are neighbours in an index. */
function timeOrderedId(i: number): string {
  return `${i.toString(16).padStart(8, '0')}${randomUUID().slice(8)}`
}
