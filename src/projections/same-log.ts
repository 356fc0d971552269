/**
 * Whether read.db was made from this log, and not from one that was there before, or that a backup has set back. When the
 * stream of the marked event was deleted since, that cannot be told any more: the answer is no, and read.db is made again
 * of what is left.
 */
import { type EventStore, START } from '../events/index.ts'
import type { Engine } from './engine.ts'

/** Has the engine go on with the log where it can, and begin again where it cannot. */
export async function goOnWith(
  log: Pick<EventStore, 'readStream' | 'head'>,
  engine: Pick<Engine, 'mark' | 'position' | 'reset' | 'backToMark'>,
): Promise<void> {
  const { mark, position } = engine
  if (mark === undefined) {
    // Nothing was taken in that would be known again: another log may have all of its past before this.
    if (position !== START) engine.reset()
    return
  }
  const [event] = await log.readStream(mark.stream, { from: mark.revision, limit: 1 })
  if (event?.id !== mark.id || event.position !== mark.position) engine.reset()
  // Of a cluster the end may be an event of somebody else. Or what came after the mark is gone, and its place used again.
  else if (position > (await log.head())) engine.backToMark()
}
