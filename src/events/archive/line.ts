/** How an event is written into a file for keeping: a line of JSON with all that its hash covers, and what the store added. */
import { z } from 'zod'
import type { EventMetadata, JsonObject, Position, RecordedEvent } from '../event.ts'

/** One line, with its end. Numbers that JavaScript could not hold are text, as on the wire. */
export function lineOf(event: RecordedEvent): string {
  const { stream, revision, id, type, data, metadata, position, recordedAt } = event
  const line = { stream, revision: `${revision}`, id, type, data, metadata, position: `${position}`, recordedAt }
  return `${JSON.stringify(line)}\n`
}

const whole = z.string().regex(/^-?\d{1,19}$/)
const line = z.object({
  stream: z.string().min(1),
  revision: whole,
  id: z.string(),
  type: z.string(),
  data: z.custom<JsonObject>((value) => typeof value === 'object' && value !== null),
  metadata: z.custom<EventMetadata>((value) => typeof value === 'object' && value !== null),
  position: whole,
  recordedAt: z.number(),
})

/** Undefined for what is not a line of an archive. Its end may be there or not. */
export function eventOf(text: string): RecordedEvent | undefined {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return undefined
  }
  const parsed = line.safeParse(json)
  if (!parsed.success) return undefined
  const { revision, position, ...rest } = parsed.data
  return { ...rest, revision: BigInt(revision), position: BigInt(position) as Position }
}
