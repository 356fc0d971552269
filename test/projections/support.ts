/** Histories for the read models' tests: short to write, and legal enough to fold. */
import { randomUUID } from 'node:crypto'
import type {
  Actor,
  AuditFact,
  EventData,
  EventStore,
  JsonObject,
  LockFact,
  Position,
  RecordedEvent,
  ScheduleFact,
  SessionFact,
  StreamKind,
  Submission,
  TaskFact,
} from '../../src/events/index.ts'
import { NO_KEY, streamName } from '../../src/events/index.ts'
import type { ReadClock } from '../../src/projections/clock.ts'

export const APP = 'demo'
export const T0 = Date.parse('2026-01-05T09:00:00.000Z')

export type Fact = TaskFact | SessionFact | ScheduleFact | LockFact | AuditFact

export function iso(ms: number): string {
  return new Date(ms).toISOString()
}

export function submission(changes: Partial<Submission> = {}): Submission {
  return {
    name: 'build_report',
    params: { report_id: 'daily' },
    ownerId: 'local',
    priority: 0,
    tags: [],
    retries: 1,
    backoff: { base: 1000, factor: 2, max: 300_000 },
    graceMs: 5000,
    ...changes,
  }
}

export function eventData(fact: Fact, at: number, by: Actor = 'system', id: string = randomUUID()): EventData {
  return {
    id,
    type: fact.type,
    data: JSON.parse(JSON.stringify(fact.data)) as JsonObject,
    metadata: { at: iso(at), by, correlationId: id, causationId: id, v: 1 },
  }
}

/** Events as a store gives them back, without a store: positions and revisions count up. */
export class History {
  readonly events: RecordedEvent[] = []
  readonly #revisions = new Map<string, bigint>()
  now = T0

  add(kind: StreamKind, key: string, fact: Fact, options: { id?: string; by?: Actor; v?: number } = {}): RecordedEvent {
    const stream = streamName(APP, kind, key)
    const revision = this.#revisions.get(stream) ?? 0n
    this.#revisions.set(stream, revision + 1n)
    const data = eventData(fact, this.now, options.by, options.id)
    const event: RecordedEvent = {
      ...data,
      metadata: { ...data.metadata, v: options.v ?? 1 },
      stream,
      revision,
      position: BigInt(this.events.length) as Position,
      recordedAt: this.now,
    }
    this.events.push(event)
    return event
  }

  task(id: string, ...facts: TaskFact[]): RecordedEvent[] {
    return facts.map((fact) => this.add('task', id, fact))
  }

  /** The stream of the kind and key is retired with its last event. */
  retire(kind: 'task' | 'session', key: string, sessionId?: string): RecordedEvent {
    const stream = streamName(APP, kind, key)
    const events = Number(this.#revisions.get(stream) ?? 1n)
    const hash = 'a'.repeat(64)
    const archive = { file: 'demo.jsonl', offset: 0, bytes: 1, sha256: hash }
    const data = { stream, lastRevision: events - 1, lastHash: hash, events, archive }
    const fact = { type: 'StreamRetired', data: sessionId === undefined ? data : { ...data, sessionId } } as const
    return this.add('audit', NO_KEY, fact)
  }

  session(id: string, ...facts: SessionFact[]): RecordedEvent[] {
    return facts.map((fact) => this.add('session', id, fact, { by: 'user:local' }))
  }
}

/** Appends facts to a store, one append each. */
export async function append(
  store: EventStore,
  kind: StreamKind,
  key: string,
  facts: readonly Fact[],
  at: number = T0,
): Promise<Position> {
  const events = facts.map((fact) => eventData(fact, at))
  return (await store.append(streamName(APP, kind, key), 'any', events)).position
}

export const started = (attempt = 1, node = 'n1'): TaskFact => ({ type: 'TaskStarted', data: { attempt, node } })
export const submitted = (changes: Partial<Submission> = {}): TaskFact => ({
  type: 'TaskSubmitted',
  data: submission(changes),
})
export const completed = (claim = 'c', result: JsonObject | null = { ok: true }): TaskFact => ({
  type: 'TaskCompleted',
  data: { claim, result },
})
export const failure = (message = 'broken') => ({ type: 'Error', message, retryable: true })

/** A clock that only the test moves. */
export class ManualClock implements ReadClock {
  #now = 0
  readonly #timers = new Set<{ at: number; run: () => void }>()

  monotonic(): number {
    return this.#now
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  advance(ms: number): void {
    this.#now += ms
    for (const timer of [...this.#timers].sort((a, b) => a.at - b.at)) {
      if (timer.at <= this.#now && this.#timers.delete(timer)) timer.run()
    }
  }
}
