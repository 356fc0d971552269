/**
 * What a session's stream says: its head (title, turn, queue) and the items of its transcript. One step takes one event
 * and tells which items it changed, so that a long conversation is never loaded to add a line to it.
 */
import { factOf, type JsonObject, type Position, type RecordedEvent, type SessionFact } from '../../events/index.ts'
import type { ItemView } from '../views.ts'
import { shortened } from './shortened.ts'

/** All that is kept of a session beside its items. */
export interface SessionHead {
  readonly id: string
  readonly title: string | undefined
  readonly ownerId: string
  readonly startedAt: number
  readonly updatedAt: number
  /** The first thing said, which names a conversation without a title. */
  readonly opening: string | undefined
  readonly preview: string | undefined
  readonly ended: boolean
  readonly data: JsonObject
  /** The turn that runs, and the message that it answers. */
  readonly turn: { readonly id: string; readonly messageId: string; readonly startedAt: number } | undefined
  /** Messages that wait for their turn, first come first. */
  readonly queue: readonly QueuedMessage[]
  /** Replies that are not whole: a turn or an attempt is writing them, or was when it ended. */
  readonly streaming: readonly Writing[]
  readonly nextIndex: number
  readonly position: Position
}

interface Writing {
  readonly key: string
  readonly turn: string | undefined
  /** Of the attempt that writes it. */
  readonly claim: string | undefined
  /** The attempt has ended; another one may write it again, or say it whole. */
  readonly left: boolean
}

interface QueuedMessage {
  readonly messageId: string
  /** The item that shows it: its own, or for a retry that of the message tried again. */
  readonly key: string
}

/** An item and the name under which later events find it again. */
export interface KeyedItem {
  readonly key: string
  readonly item: ItemView
}

export interface SessionStep {
  readonly head: SessionHead
  /** New or changed, in the order of their index. */
  readonly items: readonly KeyedItem[]
}

type Find = (key: string) => ItemView | undefined
type MessageState = Extract<ItemView, { kind: 'message' }>['state']

const MOST_EARLIER_NOTICES = 100
const LONGEST_PREVIEW = 140
/** Of the replies that attempts left unfinished: those that may still be finished are the latest. */
const MOST_LEFT = 20

/**
 * The session after one more event of its stream. `find` gives an item as it is before this event.
 * @returns undefined while the stream has not started
 */
export function sessionStep(
  head: SessionHead | undefined,
  id: string,
  event: RecordedEvent,
  find: Find,
): SessionStep | undefined {
  const fact = factOf<SessionFact>(event)
  const at = Date.parse(event.metadata.at)
  if (fact.type === 'SessionStarted')
    return head ? { head, items: [] } : { head: started(id, fact, event, at), items: [] }
  if (head === undefined) return undefined
  const next: SessionHead = { ...head, updatedAt: at, position: event.position }

  const place = (key: string): { id: string; index: number; at: number; isNew: boolean } => {
    const known = find(key)
    const itemId = key.slice(key.indexOf(':') + 1)
    return known === undefined
      ? { id: itemId, index: head.nextIndex, at, isNew: true }
      : { id: itemId, index: known.index, at: known.at, isNew: false }
  }
  const put = (key: string, item: ItemView, changes: Partial<SessionHead> = {}): SessionStep => ({
    head: { ...next, nextIndex: Math.max(head.nextIndex, item.index + 1), ...changes },
    items: [{ key, item }],
  })

  switch (fact.type) {
    case 'MessageReceived': {
      const { messageId, text, retryOf } = fact.data
      const ofRetried = retryOf === undefined ? undefined : messageKey(retryOf)
      const key = ofRetried !== undefined && find(ofRetried) ? ofRetried : messageKey(messageId)
      const queue = [...head.queue, { messageId, key }]
      const known = find(key)
      // One that was tried again, or came twice, waits once more where it stands.
      if (known?.kind === 'message') return put(key, { ...known, state: 'queued', error: undefined }, { queue })
      const { isNew: _, ...base } = place(key)
      return put(
        key,
        { ...base, kind: 'message', text, by: event.metadata.by, state: 'queued', error: undefined },
        {
          queue,
          opening: head.opening ?? sentence(text),
          preview: sentence(text),
        },
      )
    }
    case 'TurnStarted': {
      const { turn, messageId } = fact.data
      const queued = head.queue.find((message) => message.messageId === messageId)
      const changes = {
        turn: { id: turn, messageId: queued?.key.slice(MESSAGE.length) ?? messageId, startedAt: at },
        queue: head.queue.filter((message) => message !== queued),
      }
      return { head: { ...next, ...changes }, items: messageBecomes(find, changes.turn.messageId, 'running') }
    }
    case 'TurnCompleted':
      return turnEnded(next, find, fact.data.turn, 'answered')
    case 'TurnFailed':
      return turnEnded(next, find, fact.data.turn, 'failed', fact.data.error.message)
    case 'TurnInterrupted':
      return turnEnded(next, find, fact.data.turn, 'interrupted')
    case 'TurnStopped':
      return turnEnded(next, find, fact.data.turn, 'stopped')
    case 'ReplyStreamed': {
      const { replyId, offset, text, turn, taskId, claim } = fact.data
      const key = `reply:${replyId}`
      const known = find(key)
      const writing = head.streaming.find((reply) => reply.key === key)
      if (known?.kind === 'reply' && !writing) return { head: next, items: [] }
      const { isNew: _, ...base } = place(key)
      const whole = (known?.kind === 'reply' ? known.text.slice(0, offset) : '') + text
      // What an attempt's end has overtaken on its way here does not bring the attempt back.
      const left = writing?.left === true && writing.claim === claim
      const others = head.streaming.filter((reply) => reply !== writing)
      return put(
        key,
        { ...base, kind: 'reply', text: whole, streaming: !left, taskId },
        { streaming: [...others, { key, turn, claim, left }], preview: sentence(whole) },
      )
    }
    case 'Replied': {
      const { replyId, text, taskId } = fact.data
      const key = `reply:${replyId}`
      const known = find(key)
      // However often it is said it appears once, unless what was there is only the part streamed so far.
      if (known?.kind === 'reply' && !head.streaming.some((reply) => reply.key === key))
        return { head: next, items: [] }
      const { isNew: _, ...base } = place(key)
      return put(
        key,
        { ...base, kind: 'reply', text, streaming: false, taskId },
        { streaming: head.streaming.filter((reply) => reply.key !== key), preview: sentence(text) },
      )
    }
    case 'Notified': {
      const { noticeId, text } = fact.data
      const key = `notice:${noticeId}`
      const known = find(key)
      const earlier =
        known?.kind === 'notice'
          ? [...known.earlier, { text: known.text, at: known.at }].slice(-MOST_EARLIER_NOTICES)
          : []
      const { isNew: _, ...base } = place(key)
      return put(key, { ...base, at, kind: 'notice', text, earlier }, { preview: sentence(text) })
    }
    case 'BlockShown': {
      const key = `block:${fact.data.blockId}`
      const { isNew: _, ...base } = place(key)
      return put(key, { ...base, kind: 'block', block: fact.data.block })
    }
    case 'TaskShown': {
      const { shownId, shownTaskId, message } = fact.data
      const key = `task:${shownId}`
      const { isNew: _, ...base } = place(key)
      return put(key, { ...base, kind: 'task', jobId: shownTaskId, message })
    }
    case 'TitleSet':
      return { head: { ...next, title: fact.data.title }, items: [] }
    case 'DataSet': {
      const { key, value } = fact.data
      const { [key]: _, ...others } = head.data
      return { head: { ...next, data: value === null ? others : { ...others, [key]: value } }, items: [] }
    }
    case 'SessionEnded':
      return sessionEnded({ ...next, ended: true }, find)
    default:
      return { head: next, items: [] }
  }
}

const MESSAGE = 'message:'

function messageKey(messageId: string): string {
  return MESSAGE + messageId
}

function started(id: string, fact: SessionFact, event: RecordedEvent, at: number): SessionHead {
  const data = fact.type === 'SessionStarted' ? fact.data : { ownerId: '', title: undefined }
  return {
    id,
    title: data.title,
    ownerId: data.ownerId,
    startedAt: at,
    updatedAt: at,
    opening: undefined,
    preview: undefined,
    ended: false,
    data: {},
    turn: undefined,
    queue: [],
    streaming: [],
    nextIndex: 0,
    position: event.position,
  }
}

function messageBecomes(find: Find, messageId: string, state: MessageState, error?: string): KeyedItem[] {
  const key = messageKey(messageId)
  const item = find(key)
  return item?.kind === 'message' ? [{ key, item: { ...item, state, error } }] : []
}

/** The message takes the turn's end; what the turn was still writing stands as it is. */
function turnEnded(head: SessionHead, find: Find, turn: string, state: MessageState, error?: string): SessionStep {
  const cutOff: KeyedItem[] = []
  for (const { key, turn: writer } of head.streaming) {
    const item = writer === turn ? find(key) : undefined
    if (item?.kind === 'reply') cutOff.push({ key, item: { ...item, streaming: false } })
  }
  const streaming = head.streaming.filter((reply) => reply.turn !== turn)
  if (head.turn?.id !== turn) return { head: { ...head, streaming }, items: cutOff }
  const items = [...messageBecomes(find, head.turn.messageId, state, error), ...cutOff]
  return { head: { ...head, turn: undefined, streaming }, items }
}

/** What was being answered, and what waited, is answered no more: no start need look at it. */
function sessionEnded(head: SessionHead, find: Find): SessionStep {
  const { turn, queue } = head
  const stopped = turn && turnEnded(head, find, turn.id, 'stopped')
  const waiting = queue.flatMap(({ key }) => messageBecomes(find, key.slice(MESSAGE.length), 'stopped'))
  return { head: { ...(stopped?.head ?? head), queue: [] }, items: [...(stopped?.items ?? []), ...waiting] }
}

/** The attempt with this claim has ended: what it was still writing stands as it is, unless a later one goes on. */
export function attemptEnded(head: SessionHead, claim: string, event: RecordedEvent, find: Find): SessionStep {
  const items: KeyedItem[] = []
  const ended = head.streaming.map((reply) => {
    if (reply.left || reply.claim !== claim || reply.turn !== undefined) return reply
    const item = find(reply.key)
    if (item?.kind === 'reply') items.push({ key: reply.key, item: { ...item, streaming: false } })
    return { ...reply, left: true }
  })
  const tooMany = ended.filter(({ left }) => left).slice(0, -MOST_LEFT)
  const streaming = ended.filter((reply) => !tooMany.includes(reply))
  return { head: { ...head, streaming, position: event.position }, items }
}

/** The task's stream is gone: what an attempt of it was still writing stands as it is, and no later one goes on. */
export function taskRetired(
  head: SessionHead,
  taskId: string,
  event: RecordedEvent,
  find: Find,
): SessionStep | undefined {
  const items: KeyedItem[] = []
  const streaming = head.streaming.filter(({ key }) => {
    const item = find(key)
    if (item?.kind !== 'reply' || item.taskId !== taskId) return true
    if (item.streaming) items.push({ key, item: { ...item, streaming: false } })
    return false
  })
  if (streaming.length === head.streaming.length) return undefined
  return { head: { ...head, streaming, position: event.position }, items }
}

function sentence(text: string): string {
  const line = text
    .slice(0, LONGEST_PREVIEW * 4)
    .replace(/\s+/g, ' ')
    .trim()
  return shortened(line, LONGEST_PREVIEW)
}
