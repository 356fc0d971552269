/** The session machine: one conversation; its messages wait for their turns, and one turn runs at a time. */
import { assign, setup } from 'xstate'
import type { JsonObject, SessionFact } from '../../events/index.ts'
import { type Applied, applied, NOTHING_APPLIED, type Recorded } from '../kind.ts'

export interface Message {
  readonly messageId: string
  readonly text: string
  readonly by: string
  /** The message that this one tries again, which is the one that people see. */
  readonly retryOf?: string
}

/** The id by which people see a message: however often it is tried again, it stays the same one. */
export function shownId({ messageId, retryOf }: Message): string {
  return retryOf ?? messageId
}

export interface Turn {
  readonly id: string
  /** The id of the TurnStarted event. */
  readonly claim: string
  readonly message: Message
  readonly node: string
  readonly deadline: number
}

export interface SessionContext extends Applied {
  readonly ownerId: string | undefined
  readonly title: string | undefined
  readonly data: JsonObject
  /** Messages without a turn yet, oldest first. */
  readonly queue: readonly Message[]
  readonly turn: Turn | undefined
  /** Messages whose last turn did not end well: they may be retried. */
  readonly unanswered: readonly Message[]
  /** Ids of what was said once and must not be said again, latest last. */
  readonly said: readonly string[]
}

const REMEMBERED_SAYINGS = 1000
const REMEMBERED_UNANSWERED = 100

export function evolveSession(context: SessionContext, fact: Recorded<SessionFact>): SessionContext {
  return { ...context, ...changes(context, fact), ...applied(context, fact) }
}

function changes(context: SessionContext, fact: Recorded<SessionFact>): Partial<SessionContext> {
  switch (fact.type) {
    case 'SessionStarted':
      return { ownerId: fact.data.ownerId, title: fact.data.title }
    case 'MessageReceived': {
      const { messageId, text, retryOf } = fact.data
      return {
        queue: [...context.queue, { messageId, text, by: fact.by, ...(retryOf === undefined ? {} : { retryOf }) }],
        unanswered: context.unanswered.filter((message) => shownId(message) !== retryOf),
      }
    }
    case 'TurnStarted': {
      const { turn, messageId, node, deadline } = fact.data
      const message = context.queue.find((waiting) => waiting.messageId === messageId)
      return {
        queue: context.queue.filter((waiting) => waiting !== message),
        turn: message && { id: turn, claim: fact.id, message, node, deadline: Date.parse(deadline) },
      }
    }
    case 'TurnCompleted':
      return { turn: undefined }
    case 'TurnFailed':
    case 'TurnInterrupted':
    case 'TurnStopped':
      return {
        turn: undefined,
        unanswered: context.turn
          ? [...context.unanswered.slice(1 - REMEMBERED_UNANSWERED), context.turn.message]
          : context.unanswered,
      }
    case 'Replied':
      return say(context, fact.data.replyId)
    case 'BlockShown':
      return say(context, fact.data.blockId)
    case 'TaskShown':
      return say(context, fact.data.shownId)
    case 'TitleSet':
      return { title: fact.data.title }
    case 'DataSet': {
      const { key, value } = fact.data
      const { [key]: _, ...others } = context.data
      return { data: value === null ? others : { ...others, [key]: value } }
    }
    // Nobody answers in it from here on: what waited, waits no more.
    case 'SessionEnded':
      return { turn: undefined, queue: [] }
    case 'ReplyStreamed':
    case 'Notified':
      return {}
  }
}

function say(context: SessionContext, id: string): Partial<SessionContext> {
  return { said: [...context.said.slice(1 - REMEMBERED_SAYINGS), id] }
}

const spoken = {
  Replied: { actions: 'apply' },
  ReplyStreamed: { actions: 'apply' },
  Notified: { actions: 'apply' },
  BlockShown: { actions: 'apply' },
  TaskShown: { actions: 'apply' },
  TitleSet: { actions: 'apply' },
  DataSet: { actions: 'apply' },
  MessageReceived: { actions: 'apply' },
  SessionEnded: { target: 'ended', actions: 'apply' },
} as const

export const sessionMachine = setup({
  types: { context: {} as SessionContext, events: {} as Recorded<SessionFact> },
  actions: { apply: assign(({ context, event }) => evolveSession(context, event)) },
}).createMachine({
  id: 'session',
  context: {
    ...NOTHING_APPLIED,
    ownerId: undefined,
    title: undefined,
    data: {},
    queue: [],
    turn: undefined,
    unanswered: [],
    said: [],
  },
  initial: 'new',
  states: {
    new: { on: { SessionStarted: { target: 'idle', actions: 'apply' } } },
    idle: { on: { ...spoken, TurnStarted: { target: 'answering', actions: 'apply' } } },
    answering: {
      on: {
        ...spoken,
        TurnCompleted: { target: 'idle', actions: 'apply' },
        TurnFailed: { target: 'idle', actions: 'apply' },
        TurnInterrupted: { target: 'idle', actions: 'apply' },
        TurnStopped: { target: 'idle', actions: 'apply' },
      },
    },
    ended: {},
  },
})
