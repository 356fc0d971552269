/** What nodes hold to among each other: nobody interrupts a neighbour that has not been silent as long as it takes. */
import type { RecordedEvent } from '../../../src/events/index.ts'
import type { Span } from '../faulty-log.ts'
import { type History, type Invariant, streamsOf } from '../history.ts'

export const nodeInvariants: readonly Invariant[] = [
  { name: 'only a node that fell silent is interrupted by another', check: silentFirst },
]

const SILENCE_MS = 8_000
/** Nodes announce themselves, and so learn that the log is out of reach, every two seconds. */
const UNNOTICED_MS = 2_500
const BEGINS = ['TaskStarted', 'TurnStarted']
const INTERRUPTS = ['TaskInterrupted', 'TurnInterrupted']

function* silentFirst(history: History): Iterable<string> {
  if (history.alone) return
  const signs = streamsOf(history.events, 'node')
  const claims = new Map<string, RecordedEvent>()
  for (const event of history.events) {
    if (BEGINS.includes(event.type)) claims.set(event.id, event)
    if (!INTERRUPTS.includes(event.type)) continue
    const claim = claims.get(String(event.data.claim))
    const owner = String(claim?.data.node)
    if (!claim || event.metadata.by === `node:${owner}`) continue
    if (wasSilent(signs.get(owner) ?? [], claim, event, history)) continue
    yield `${event.type} of ${event.stream} at ${event.revision}: ${event.metadata.by} took ${owner} for dead`
  }
}

/**
 * Whether the node said goodbye, or nothing for long enough, after it took the claim and before the event. Time in which the
 * log was out of reach, or the judge itself slept, says nothing about others.
 */
function wasSilent(
  said: readonly RecordedEvent[],
  claim: RecordedEvent,
  event: RecordedEvent,
  { outages, sleeps }: History,
): boolean {
  const before = said.filter(({ position }) => position < event.position)
  if (before.some(({ type }) => type === 'NodeStopped')) return true
  const times = [...before.map(({ recordedAt }) => recordedAt), event.recordedAt]
  const unreachable = outages.map(({ from, to }) => ({ from: from + UNNOTICED_MS, to }))
  const absences = [...unreachable, ...(sleeps.get(event.metadata.by.slice('node:'.length)) ?? [])]
  return times.some(
    (to, index) =>
      to >= claim.recordedAt && lengthWithout({ from: times[index - 1] ?? to, to }, absences) >= SILENCE_MS,
  )
}

function lengthWithout(gap: Span, absences: readonly Span[]): number {
  let length = gap.to - gap.from
  let seen = gap.from
  for (const { from, to } of absences.toSorted((one, other) => one.from - other.from)) {
    length -= Math.max(0, Math.min(to, gap.to) - Math.max(from, seen))
    seen = Math.max(seen, to)
  }
  return length
}
