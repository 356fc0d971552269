/**
 * Whether read.db was made from this log, and not from one that was there before, or that a backup has set back. When the
 * stream of the marked event was deleted since, that cannot be told any more: the answer is no, and read.db is made again
 * of what is left. So it is when a server's scavenge took the newest events, which sets the head of EventStoreDB back.
 */
import type { EventStore } from '../events/index.ts'
import type { Engine } from './engine.ts'

export async function isSameLog(
  log: Pick<EventStore, 'readStream' | 'head'>,
  { mark, position }: Pick<Engine, 'mark' | 'position'>,
): Promise<boolean> {
  if (position > (await log.head())) return false
  if (mark === undefined) return true
  const [event] = await log.readStream(mark.stream, { from: mark.revision, limit: 1 })
  return event?.id === mark.id && event.position === mark.position
}
