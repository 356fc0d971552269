/**
 * How fast the read models take in the log, beside a bare loop that inserts the same events into one table.
 * node bench/projections.ts [tasks] [batch]
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { JsonObject, Position, RecordedEvent } from '../src/events/index.ts'
import { openReadCore, openReadDatabase } from '../src/projections/index.ts'

const TASKS = Number(process.argv[2] ?? 100_000)
const BATCH = Number(process.argv[3] ?? 500)
const EVENTS = TASKS * 3
/** How many tasks are between a submission and its start, and between that and the end. */
const LAG = 1000
const NAMES = ['build_report', 'send_mail', 'resize_image', 'sync_contacts']

const directory = mkdtempSync(join(tmpdir(), 'bench-projections-'))
try {
  const bare = measureBare(join(directory, 'bare.db'))
  const { rate, core, db } = measureReadModels(join(directory, 'read.db'))
  console.log(`bare insert loop      ${perSecond(bare)} events/s`)
  console.log(`read models           ${perSecond(rate)} events/s, ${(1e6 / rate).toFixed(1)} µs an event,`)
  console.log(
    `                      ${(3e6 / rate).toFixed(1)} µs a task; bare : read models = ${(bare / rate).toFixed(2)} : 1`,
  )
  const columns = [
    { label: 'Queued', statuses: ['pending', 'retry'] },
    { label: 'Running', statuses: ['running'] },
    { label: 'Completed', statuses: ['completed'] },
    { label: 'Failed', statuses: ['failed', 'timeout', 'cancelled'] },
  ] as const
  const windows = columns.map(() => ({ after: 0, limit: 50 }))
  timed('board', () => core.ask('board', { filter: {}, columns, windows }))
  timed('board of a name', () => core.ask('board', { filter: { name: 'send_mail' }, columns, windows }))
  timed('board, rare text', () => core.ask('board', { filter: { q: 'report-17 ' }, columns, windows }))
  timed('board, today', () => core.ask('board', { filter: { since: 5 }, columns, windows }))
  timed('board of an owner', () => core.ask('board', { filter: { ownerId: 'local' }, columns, windows }))
  timed('page of jobs', () => core.ask('jobs', {}))
  timed('page of failed jobs', () => core.ask('jobs', { status: ['failed'] }))
  timed('page by an input', () => core.ask('jobs', { params: { report_id: 'report-17' } }))
  db.close()
} finally {
  rmSync(directory, { recursive: true })
}

function measureBare(file: string): number {
  const db = openReadDatabase(file)
  db.exec(
    'CREATE TABLE events (position INTEGER PRIMARY KEY, stream TEXT, revision INTEGER, type TEXT, data TEXT, metadata TEXT)',
  )
  const insert = db.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)')
  let spent = 0
  for (const batch of batches()) {
    const began = performance.now()
    db.exec('BEGIN')
    for (const { position, stream, revision, type, data, metadata } of batch) {
      insert.run(Number(position), stream, Number(revision), type, JSON.stringify(data), JSON.stringify(metadata))
    }
    db.exec('COMMIT')
    spent += performance.now() - began
  }
  db.close()
  return (EVENTS / spent) * 1000
}

function measureReadModels(file: string) {
  const db: DatabaseSync = openReadDatabase(file)
  const core = openReadCore({ db, app: 'bench' })
  let spent = 0
  for (const batch of batches()) {
    const began = performance.now()
    core.apply(batch)
    spent += performance.now() - began
  }
  return { rate: (EVENTS / spent) * 1000, core, db }
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
    stream: `bench.task-${ids[task]}`,
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

function timed(what: string, ask: () => unknown): void {
  ask()
  const began = performance.now()
  for (let i = 0; i < 5; i++) ask()
  console.log(`${what.padEnd(21)} ${((performance.now() - began) / 5).toFixed(2)} ms`)
}

function perSecond(rate: number): string {
  return Math.round(rate).toLocaleString('en-US').padStart(9)
}
