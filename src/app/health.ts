/** What an operator asks of a running app: does the log answer, and do the read models keep up with it. */
import type { EventStore } from '../events/index.ts'
import type { ReadModels } from '../projections/index.ts'
import type { HealthCheck } from './running.ts'

/** Read models this many events behind the log are late enough to say so. */
const LATE_BY = 50_000n

export async function healthOf(
  store: Pick<EventStore, 'head'>,
  reads: Pick<ReadModels, 'position'>,
): Promise<readonly HealthCheck[]> {
  try {
    const behind = (await store.head()) - reads.position
    return [
      { name: 'event store', status: 'healthy' },
      behind < LATE_BY
        ? { name: 'read models', status: 'healthy' }
        : { name: 'read models', status: 'degraded', detail: `${behind} events behind the log` },
    ]
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    return [
      { name: 'event store', status: 'unhealthy', detail },
      { name: 'read models', status: 'degraded', detail: 'how far they are behind the log is not known' },
    ]
  }
}
