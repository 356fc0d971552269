/**
 * Whether read.db was made from this log, and not from one that was there before, or that a backup has set back. When the
 * stream of the marked event was deleted since, that cannot be told any more: the answer is no, and read.db is made again
 * of what is left.
 */
import { type EventStore, type Position, START, StoreCorrupt } from '../events/index.ts'
import type { ProjectionEngine } from './engine.ts'

/**
 * Has the engine go on with the log where it can, and begin again where it cannot.
 * @param onShorter told of a log that ends before what the engine took in, which no log does by itself
 */
export async function goOnWith(
  log: Pick<EventStore, 'readStream' | 'head'>,
  engine: Pick<ProjectionEngine, 'mark' | 'position' | 'reset' | 'backToMark'>,
  onShorter?: (error: StoreCorrupt) => void,
): Promise<void> {
  const { mark, position } = engine
  if (mark === undefined) {
    // Nothing was taken in that would be known again: another log may have all of its past before this.
    if (position !== START) engine.reset()
    return
  }
  const head = await log.head()
  const [event] = await log.readStream(mark.stream, { from: mark.revision, limit: 1 })
  const isThere = event?.id === mark.id
  // A copy of the log, as `capsule migrate` makes one, has other positions.
  const isCopy = isThere && event.position !== mark.position
  if (position > head && !isCopy) onShorter?.(shorter(head, position))
  if (!isThere || isCopy) engine.reset()
  // Of a cluster the end may be an event of somebody else. Or what came after the mark is gone, and its place used again.
  else if (position > head) engine.backToMark()
}

function shorter(head: Position, position: Position): StoreCorrupt {
  return new StoreCorrupt(
    `The log ends at position ${head}, but read.db was made of one up to ${position}: what was recorded since is gone. ` +
      'If no older copy was put in its place on purpose, its events.db-wal is missing, or the disk lost what it had confirmed: ' +
      'stop the app and bring that back, or a newer backup, before more is recorded.',
  )
}
