/**
 * A stream that this code cannot make sense of (newer code wrote to it, or its history does not follow) is left to nodes
 * that can: it is told of, and holds up nothing else. Above all not a start, or one such stream would keep a whole app down.
 */
import { isUnreadable } from '../actors/index.ts'

/** Resolves when the work is done, or was left because of a stream that cannot be read. */
export async function leaveUnreadable(work: Promise<void>, report: (error: unknown) => void): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!isUnreadable(error)) throw error
    report(error)
  }
}
