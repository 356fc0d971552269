/** One command for all jobs of a filter, page by page, oldest first: each that was there is asked once. */
import { CommandRefused, NotFound } from '../actors/index.ts'
import { type Position, START } from '../events/index.ts'
import type { JobFilter, ReadModels } from '../projections/index.ts'
import type { BulkOutcome, Caller } from './running.ts'

const PAGE = 1000
const AT_ONCE = 64

export async function forEachJob(
  reads: ReadModels,
  filter: JobFilter,
  caller: Caller,
  command: (id: string, caller: Caller) => Promise<Position>,
): Promise<BulkOutcome> {
  let count = 0
  let position = START
  let after: string | undefined
  do {
    const { ids, next } = await reads.jobIds(filter, { limit: PAGE, ...(after === undefined ? {} : { after }) })
    after = next
    const queue = ids.values()
    const work = async (): Promise<void> => {
      for (const id of queue) {
        // A client's id of the whole is one id for each.
        const own = caller.commandId === undefined ? caller : { ...caller, commandId: `${caller.commandId}:${id}` }
        try {
          const done = await command(id, own)
          if (done > position) position = done
          count += 1
        } catch (error) {
          if (!(error instanceof CommandRefused || error instanceof NotFound)) throw error
        }
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
  } while (after !== undefined)
  return { count, position }
}
