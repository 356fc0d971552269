/** Events of `session-<id>`: one conversation, its turns, and what was shown in it. */
import { z } from 'zod'
import { count, event, type FactOf, id, instant, json, jsonObject, taskError, text } from './define.ts'

/** Which attempt or turn of a handler spoke. Absent when a person did. */
const speaker = z.object({ turn: id.optional(), taskId: id.optional(), claim: id.optional() })

export const sessionEvents = {
  SessionStarted: event(() => z.object({ ownerId: id, title: text.optional() })),
  MessageReceived: event(() => z.object({ messageId: id, text, retryOf: id.optional() })),
  /** The id of this event is the turn's claim. */
  TurnStarted: event(() => z.object({ turn: id, messageId: id, node: id, deadline: instant })),
  /** `replyId`: the same one appears once however often it is said. */
  Replied: event(() => speaker.extend({ replyId: id, text, streamed: z.boolean().optional() })),
  /** An increment of a reply being written; Replied with the same id ends it. */
  ReplyStreamed: event(() => speaker.extend({ replyId: id, offset: count, text })),
  /** A notice replaces the one with the same id. */
  Notified: event(() => speaker.extend({ noticeId: id, text })),
  BlockShown: event(() => speaker.extend({ blockId: id, block: jsonObject })),
  TaskShown: event(() => speaker.extend({ shownId: id, shownTaskId: id, message: text.optional() })),
  TitleSet: event(() => z.object({ title: text })),
  DataSet: event(() => speaker.extend({ key: id, value: json })),
  TurnCompleted: event(() => z.object({ turn: id, claim: id })),
  TurnFailed: event(() => z.object({ turn: id, claim: id, error: taskError })),
  TurnInterrupted: event(() => z.object({ turn: id, claim: id, cause: z.enum(['crash', 'drain', 'timeout']) })),
  TurnStopped: event(() => z.object({ turn: id, claim: id.optional() })),
  /** Nothing of this code records it yet; what it means is settled, so that logs of later code are read. */
  SessionEnded: event(() => z.object({})),
}
export type SessionFact = FactOf<typeof sessionEvents>
