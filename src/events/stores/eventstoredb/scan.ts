/** What is read of `$all`, and which of its streams are wanted. */
import {
  type AllStreamResolvedEvent,
  BACKWARDS,
  END,
  excludeSystemEvents,
  START as FIRST,
  streamNameFilter,
} from '@eventstore/db-client'
import { StoreUnavailable } from '../../errors.ts'
import { type Position, type RecordedEvent, START } from '../../event.ts'
import { matches } from '../feed.ts'
import { type Batch, Pump, READ_AHEAD } from './pump.ts'
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

/** Events the server looks at before it says how far it is, when none of them matches. */
const SEARCH_WINDOW = 512

/**
 * Events of a scope after a position, and those to come. It is a subscription also where a read would do: a read cannot be
 * filtered by the server, and is no faster.
 */
export function watch(wire: Wire, scope: Scope, after: Position) {
  const options = {
    maxSearchWindow: SEARCH_WINDOW,
    checkpointReached: (_: unknown, { commit }: { commit: bigint }) => pump.passed(commit as Position),
  }
  const filter = scope.prefixes
    ? streamNameFilter({ prefixes: [...scope.prefixes], ...options })
    : excludeSystemEvents(options)
  const subscription = wire.subscribeToAll(
    { fromPosition: after < 0n ? FIRST : { commit: after, prepare: after }, filter },
    READ_AHEAD,
  )
  const pump = new Pump(wire, subscription, asResolved)
  subscription.on('caughtUp', () => pump.caughtUp())
  const confirmed = new Promise<void>((resolve) => subscription.once('confirmation', resolve))
  return { pump, confirmed }
}

/** What is new in a batch, and how far it takes one. */
export function take(
  { items, passed }: Batch<AllStreamResolvedEvent>,
  scope: Scope,
  after: Position,
): { readonly events: RecordedEvent[]; readonly upTo: Position } {
  let upTo = after
  const events: RecordedEvent[] = []
  for (const resolved of items) {
    const at = positionOf(resolved)
    if (at === undefined || at <= upTo) continue
    upTo = at
    const event = recorded(resolved)
    if (event && scope.has(event.stream)) events.push(event)
  }
  return { events, upTo: passed > upTo ? passed : upTo }
}

/** The first `limit` events of a scope after a position, of what is recorded now. */
export async function search(
  wire: Wire,
  scope: Scope,
  after: Position,
  limit: number,
  timeoutMs: number,
): Promise<RecordedEvent[]> {
  const end = await endOf(wire, timeoutMs)
  if (after >= end || limit <= 0) return []
  const { pump } = watch(wire, scope, after)
  const found: RecordedEvent[] = []
  try {
    for (let at = after; ; ) {
      const batch = await pump.next(timeoutMs)
      if (!batch) throw new StoreUnavailable('The event store has ended a read.', { retryable: true })
      const { events, upTo } = take(batch, scope, at)
      at = upTo
      for (const event of events) if (event.position <= end) found.push(event)
      if (found.length >= limit) return found.slice(0, limit)
      if (batch.caughtUp || at >= end) return found
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
