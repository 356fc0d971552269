/** What a simulation leaves behind: the log, and what the outside world saw. All that an invariant may look at. */
import { parseStream, type RecordedEvent, type StreamKind } from '../../src/events/index.ts'
import type { ReadModels } from '../../src/projections/index.ts'
import type { Span } from './faulty-log.ts'
import { APP, type Execution } from './simulated-app.ts'

/** A command that was answered with success. */
export interface Acknowledged {
  readonly command: string
  readonly commandId: string
  /** Of what was made, asked about, or written to. */
  readonly id: string
  readonly answer: unknown
}

export interface History {
  readonly seed: number
  /** In the order of the log. */
  readonly events: readonly RecordedEvent[]
  readonly acknowledged: readonly Acknowledged[]
  readonly executions: readonly Execution[]
  /** Of the last process, caught up with the log. */
  readonly reads: ReadModels
  readonly endedAt: number
  /** No two processes at the same time: each knows at its start that the ones before are gone. */
  readonly alone: boolean
  /** When the log was out of reach of everybody. */
  readonly outages: readonly Span[]
  /** When processes slept, by their id. */
  readonly sleeps: ReadonlyMap<string, readonly Span[]>
}

/** Holds a promise against a history. */
export interface Invariant {
  readonly name: string
  /** @returns what breaks it, in words that name the stream and the event */
  check(history: History): Iterable<string> | AsyncIterable<string>
}

/** The streams of a kind, by key, in the order of their first event. */
export function streamsOf(events: readonly RecordedEvent[], kind: StreamKind): Map<string, RecordedEvent[]> {
  const streams = new Map<string, RecordedEvent[]>()
  for (const event of events) {
    const stream = parseStream(APP, event.stream)
    if (stream?.kind !== kind) continue
    const known = streams.get(stream.key)
    if (known) known.push(event)
    else streams.set(stream.key, [event])
  }
  return streams
}

export function at({ metadata }: RecordedEvent): number {
  return Date.parse(metadata.at)
}
