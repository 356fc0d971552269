/**
 * The conversation as the element holds it: the server's transcript plus what the reader has typed and the server has
 * not confirmed. Pure functions over values, so that every rule of it (one row per message, order, what counts as new)
 * is tested without a page.
 */
import type { TranscriptItem } from '../../src/http/wire.ts'
import type { OutboxEntry } from './outbox.ts'

export type MessageItem = Extract<TranscriptItem, { kind: 'message' }>

/** One line of the log: something the server knows, or a message that is still on its way. */
export type Row =
  | { kind: 'item'; id: string; item: TranscriptItem }
  | { kind: 'outgoing'; id: string; entry: OutboxEntry }
  | { kind: 'day'; id: string; at: string }

/** The items of `next` that `previous` did not have, in order. */
export function newItems(previous: readonly TranscriptItem[], next: readonly TranscriptItem[]): TranscriptItem[] {
  if (previous === next) return []
  const known = new Set(previous.map((item) => item.id))
  return next.filter((item) => !known.has(item.id))
}

/**
 * The rows to draw, oldest first: a day before its first item, then the items, then what is still on its way. An outgoing
 * message that the transcript already shows is not drawn twice.
 * @param dayOf the calendar day of an instant in the reader's zone, as any string that is equal for equal days
 */
export function rowsOf(
  items: readonly TranscriptItem[],
  outgoing: readonly OutboxEntry[],
  dayOf: (instant: string) => string,
): Row[] {
  const rows: Row[] = []
  const shown = new Set<string>()
  let day = ''
  for (const item of items) {
    const itsDay = dayOf(item.at)
    if (itsDay !== day) {
      day = itsDay
      rows.push({ kind: 'day', id: `day ${item.id}`, at: item.at })
    }
    shown.add(item.id)
    rows.push({ kind: 'item', id: item.id, item })
  }
  for (const entry of outgoing) {
    if (shown.has(entry.id) || (entry.messageId && shown.has(entry.messageId))) continue
    rows.push({ kind: 'outgoing', id: `outgoing ${entry.id}`, entry })
  }
  return rows
}

/** The last thing the reader wrote, on its way or arrived; null when they wrote nothing. */
export function lastOwnText(items: readonly TranscriptItem[], outgoing: readonly OutboxEntry[]): string | null {
  const waiting = outgoing.at(-1)
  if (waiting) return waiting.text
  const arrived = items.findLast((item) => item.kind === 'message')
  return arrived?.kind === 'message' ? arrived.text : null
}

/** Why a turn did not end well, as a sentence; null while it waits, runs, or has ended well. */
export function turnTrouble(message: MessageItem): string | null {
  switch (message.state) {
    case 'failed':
      return message.error ? `No answer: ${message.error}` : 'No answer: the turn failed.'
    case 'interrupted':
      return message.error ? `Interrupted: ${message.error}` : 'Interrupted before it was answered.'
    case 'stopped':
      return 'Stopped.'
    default:
      return null
  }
}
