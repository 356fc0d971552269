/** Ids of events, commands and entities: UUIDv7 (RFC 9562), so that what is made together lies together in an index. */
import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

const ID_BYTES = 16
/** Random bytes are fetched for so many ids at once: asking the system for each costs more than all the rest. */
const pool = new Uint8Array(ID_BYTES * 512)
let used = pool.length

export function newId(): string {
  if (used >= pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const random = pool.subarray(used, used + ID_BYTES)
  used += ID_BYTES
  return v7({ random })
}
