/** Ids of events, commands and entities: UUIDv7 (RFC 9562), so that what is made together lies together in an index. */
import { Buffer } from 'node:buffer'
import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

const ID_BYTES = 16
/** Random bytes are fetched for so many ids at once: asking the system for each costs more than all the rest. */
const pool = new Uint8Array(ID_BYTES * 512)
let used = pool.length

// A task has four ids or more. Written into the same bytes each time, an id is one allocation and not twenty.
const random = new Uint8Array(ID_BYTES)
const bytes = new Uint8Array(ID_BYTES)
const text = Buffer.alloc(36, '-')
const HEX = Buffer.from('0123456789abcdef')
/** Where in the text each byte goes. */
const PLACES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const

export function newId(): string {
  if (used >= pool.length) {
    randomFillSync(pool)
    used = 0
  }
  for (let i = 0; i < ID_BYTES; i++) random[i] = pool[used++] ?? 0
  v7({ random }, bytes)
  let i = 0
  for (const place of PLACES) {
    const byte = bytes[i++] ?? 0
    text[place] = HEX[byte >> 4] ?? 0
    text[place + 1] = HEX[byte & 15] ?? 0
  }
  return text.toString('latin1')
}
