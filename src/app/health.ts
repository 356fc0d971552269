/** What an operator asks of a running app: does the log answer, and do the read models keep up with it. */
import type { ActorSystem } from '../actors/index.ts'
import type { EventStore, Position } from '../events/index.ts'
import { ReadModelBehind, type ReadModels } from '../projections/index.ts'
import type { HealthCheck } from './running.ts'

/** Read models that do not reach the log's head of now within this time are late enough to say so. */
const LATE_MS = 1_000
/** So long after an append had no answer the log counts as out of order, if nothing was appended since. */
const RECENT_MS = 30_000

export async function healthOf(
  store: Pick<EventStore, 'head'>,
  reads: Pick<ReadModels, 'waitFor'>,
  system: Pick<ActorSystem, 'noAnswer' | 'clock'>,
): Promise<readonly HealthCheck[]> {
  let head: Position
  try {
    head = await store.head()
  } catch (error) {
    return [
      { name: 'event store', status: 'unhealthy', detail: messageOf(error) },
      { name: 'read models', status: 'degraded', detail: 'how far they are behind the log is not known' },
    ]
  }
  return [appendsHealth(system), await readsHealth(() => reads.waitFor(head, LATE_MS))]
}

/** A log that can be read, and refuses what is to be recorded: its disk is full, say. */
function appendsHealth({ noAnswer, clock }: Pick<ActorSystem, 'noAnswer' | 'clock'>): HealthCheck {
  const name = 'event store'
  if (!noAnswer) return { name, status: 'healthy' }
  const { message } = noAnswer.error
  if (clock.monotonic() - noAnswer.at < RECENT_MS) return { name, status: 'unhealthy', detail: message }
  // Whoever sends no more work to what is unhealthy would never hear that it is well again.
  return { name, status: 'degraded', detail: `The last append failed, and none was tried since: ${message}` }
}

async function readsHealth(caughtUp: () => Promise<void>): Promise<HealthCheck> {
  const name = 'read models'
  try {
    await caughtUp()
    return { name, status: 'healthy' }
  } catch (error) {
    if (error instanceof ReadModelBehind) return { name, status: 'degraded', detail: 'over a second behind the log' }
    return { name, status: 'unhealthy', detail: messageOf(error) }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
