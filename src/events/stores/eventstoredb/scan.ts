/** Pages of `$all`, and which of its streams are wanted. */
import { BACKWARDS, END, FORWARDS } from '@eventstore/db-client'
import { type Position, type RecordedEvent, START } from '../../event.ts'
import { matches } from '../feed.ts'
import { Pump, READ_AHEAD } from './pump.ts'
import { asResolved, positionOf, recorded } from './recorded.ts'
import type { Wire } from './wire.ts'

/** The streams of a log, or of one who reads it. */
export class Scope {
  readonly prefixes: readonly string[] | undefined
  /** What the log as a whole is bounded by; a reader's prefix does not reach past it. */
  readonly #bound: string | undefined

  constructor(bound: string | undefined, prefixes?: readonly string[]) {
    this.#bound = bound
    this.prefixes = prefixes ?? (bound === undefined ? undefined : [bound])
  }

  /** The server's own streams begin with `$`, and are nobody's. */
  has(stream: string): boolean {
    if (stream.startsWith('$') || !matches(stream, this.prefixes)) return false
    return this.#bound === undefined || stream.startsWith(this.#bound)
  }
}

export interface Scanned {
  /** Events of this port, of whatever stream. */
  readonly events: readonly RecordedEvent[]
  readonly scannedTo: Position
  /** How many events of the log this is, of whatever kind. */
  readonly count: number
}

interface ScanOptions {
  readonly wire: Wire
  /** Exclusive; START or less for all. */
  readonly after: Position
  /** At most so many events of the log. */
  readonly limit: number
  readonly timeoutMs: number
}

/** Events of the log after a position, in batches, up to `limit` or the end. */
export async function* scan({ wire, after, limit, timeoutMs }: ScanOptions): AsyncGenerator<Scanned> {
  const source = wire.readAll(
    {
      direction: FORWARDS,
      maxCount: limit,
      requiresLeader: true,
      // Inclusive: the event at the position itself comes first, and is left out below.
      ...(after >= 0n && { fromPosition: { commit: after, prepare: after } }),
    },
    READ_AHEAD,
  )
  const pump = new Pump(wire, source, asResolved)
  try {
    for (;;) {
      const batch = await pump.next(timeoutMs)
      if (!batch) return
      let scannedTo = after
      const events: RecordedEvent[] = []
      for (const resolved of batch.items) {
        const at = positionOf(resolved)
        if (at === undefined || at <= scannedTo) continue
        scannedTo = at
        const event = recorded(resolved)
        if (event) events.push(event)
      }
      yield { events, scannedTo, count: batch.items.length }
    }
  } finally {
    pump.close()
  }
}

export interface Seen {
  readonly position: Position
  /** Undefined for an event that is not of this port. */
  readonly stream: string | undefined
}

/** Up to `limit` events of the log, of whatever kind, backwards from its end or from before a position. */
export async function newest(
  wire: Wire,
  before: Position | undefined,
  limit: number,
  timeoutMs: number,
): Promise<Seen[]> {
  const source = wire.readAll(
    {
      direction: BACKWARDS,
      maxCount: limit,
      requiresLeader: true,
      // Exclusive.
      fromPosition: before === undefined ? END : { commit: before, prepare: before },
    },
    READ_AHEAD,
  )
  const pump = new Pump(wire, source, asResolved)
  const found: Seen[] = []
  try {
    for (;;) {
      const batch = await pump.next(timeoutMs)
      if (!batch) return found
      for (const resolved of batch.items) {
        const position = positionOf(resolved)
        if (position !== undefined) found.push({ position, stream: recorded(resolved)?.stream })
      }
    }
  } finally {
    pump.close()
  }
}

/** Position of the last event of the server, of whatever kind. */
export async function endOf(wire: Wire, timeoutMs: number): Promise<Position> {
  const [last] = await newest(wire, undefined, 1, timeoutMs)
  return last?.position ?? START
}
