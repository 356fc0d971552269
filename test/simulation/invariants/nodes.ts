/** What nodes hold to among each other: nobody interrupts a neighbour that has not been silent as long as it takes. */
import type { RecordedEvent } from '../../../src/events/index.ts'
import { type History, type Invariant, streamsOf } from '../history.ts'

export const nodeInvariants: readonly Invariant[] = [
  { name: 'only a node that fell silent is interrupted by another', check: silentFirst },
]

const SILENCE_MS = 8_000
const BEGINS = ['TaskStarted', 'TurnStarted']
const INTERRUPTS = ['TaskInterrupted', 'TurnInterrupted']

function* silentFirst(history: History): Iterable<string> {
  if (history.alone) return
  const signs = streamsOf(history.events, 'node')
  const claims = new Map<string, string>()
  for (const event of history.events) {
    if (BEGINS.includes(event.type)) claims.set(event.id, String(event.data.node))
    if (!INTERRUPTS.includes(event.type)) continue
    const owner = claims.get(String(event.data.claim)) ?? ''
    if (event.metadata.by === `node:${owner}`) continue
    const said = signs.get(owner) ?? []
    if (wasSilent(said, event)) continue
    yield `${event.type} of ${event.stream} at ${event.revision}: ${event.metadata.by} took ${owner} for dead`
  }
}

/** Whether the node said goodbye, or nothing for long enough, at some time before the event. */
function wasSilent(said: readonly RecordedEvent[], { recordedAt: until }: RecordedEvent): boolean {
  const before = said.filter(({ recordedAt }) => recordedAt <= until)
  if (before.some(({ type }) => type === 'NodeStopped')) return true
  const times = [...before.map(({ recordedAt }) => recordedAt), until]
  return times.some((at, index) => at - (times[index - 1] ?? at) >= SILENCE_MS)
}
