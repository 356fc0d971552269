/** The session's rules: turns one at a time in order, and only the turn that holds the claim may end it. Pure. */
import { instant, type JsonObject, type JsonValue, type SessionFact, type TaskError } from '../../events/index.ts'
import { AttemptFenced, CommandRefused, NotFound } from '../errors.ts'
import { type DecideContext, type Decision, type Fact, nothing, refuse, type State } from '../kind.ts'
import { type SessionContext, shownId } from './machine.ts'

/** Which handler speaks: a turn, or an attempt of a task. */
export interface Speaker {
  /** Claim of the turn; held against the session's. */
  readonly turnClaim?: string
  readonly taskId?: string
  /** Claim of the task's attempt; held against the task before the command is given. */
  readonly taskClaim?: string
}

interface Speaking {
  readonly speaker: Speaker
}

export type SessionCommand =
  | { readonly type: 'start'; readonly ownerId: string; readonly title?: string }
  | {
      readonly type: 'receive'
      readonly messageId: string
      readonly text: string
      readonly createFor?: string
      /** For a conversation of this owner only: one that others ask to begin may be somebody else's by now. */
      readonly onlyOf?: string
    }
  /** `messageId` as it is shown, however often it was tried. */
  | { readonly type: 'retry'; readonly messageId: string; readonly newMessageId: string }
  | { readonly type: 'startTurn'; readonly node: string; readonly timeoutMs: number }
  | { readonly type: 'completeTurn'; readonly claim: string }
  | { readonly type: 'failTurn'; readonly claim: string; readonly error: TaskError }
  | { readonly type: 'interruptTurn'; readonly claim: string; readonly cause: 'crash' | 'drain' | 'timeout' }
  | { readonly type: 'stopTurn' }
  | (Speaking & {
      readonly type: 'reply'
      readonly replyId: string
      readonly text: string
      readonly streamed?: boolean
    })
  | (Speaking & { readonly type: 'stream'; readonly replyId: string; readonly offset: number; readonly text: string })
  | (Speaking & { readonly type: 'notify'; readonly noticeId: string; readonly text: string })
  | (Speaking & { readonly type: 'show'; readonly blockId: string; readonly block: JsonObject })
  | (Speaking & {
      readonly type: 'showTask'
      readonly shownId: string
      readonly taskId: string
      readonly message?: string
    })
  | (Speaking & { readonly type: 'setTitle'; readonly title: string })
  | (Speaking & { readonly type: 'setData'; readonly key: string; readonly value: JsonValue })

type Session = State<SessionContext>

export function decideSession(
  command: SessionCommand,
  session: Session,
  context: DecideContext,
): Decision<SessionFact> {
  if (session.value === 'new') return begin(command, context)
  if (session.value === 'ended') {
    // A node looks for the next message whenever it is done with one, also when the conversation ended meanwhile.
    if (command.type === 'startTurn') return nothing
    return refuse(new CommandRefused(command.type, 'The conversation has ended. Start a new one.'))
  }
  switch (command.type) {
    case 'start':
      return nothing
    case 'receive':
      if (command.onlyOf !== undefined && command.onlyOf !== session.context.ownerId) {
        return refuse(new NotFound('session', context.key))
      }
      return { facts: [received(command.messageId, command.text)] }
    case 'retry':
      return retry(command, session)
    case 'startTurn':
      return startTurn(command, session, context)
    case 'completeTurn':
    case 'failTurn':
    case 'interruptTurn':
      return endTurn(command, session)
    case 'stopTurn': {
      const { turn } = session.context
      return turn
        ? { facts: [{ type: 'TurnStopped', data: { turn: turn.id, claim: turn.claim } }] }
        : refuse(new CommandRefused('stop', 'Nothing is being answered just now.'))
    }
    default:
      return speak(command, session)
  }
}

function begin(command: SessionCommand, { key }: DecideContext): Decision<SessionFact> {
  if (command.type === 'start') {
    const { ownerId, title } = command
    return { facts: [{ type: 'SessionStarted', data: { ownerId, ...(title === undefined ? {} : { title }) } }] }
  }
  if (command.type === 'receive' && command.createFor !== undefined) {
    const started = { type: 'SessionStarted', data: { ownerId: command.createFor } } as const
    return { facts: [started, received(command.messageId, command.text)] }
  }
  return refuse(new NotFound('session', key))
}

/** What a client's command is recorded as. */
export function sessionLeadsTo(command: SessionCommand, { type, data }: Fact): boolean {
  const { text, retryOf }: { readonly text?: unknown; readonly retryOf?: unknown } = data
  switch (command.type) {
    case 'start':
      return type === 'SessionStarted'
    case 'receive':
      return type === 'MessageReceived' && text === command.text && retryOf === undefined
    case 'retry':
      return type === 'MessageReceived' && retryOf === command.messageId
    case 'stopTurn':
      return type === 'TurnStopped'
    default:
      return true
  }
}

function received(messageId: string, text: string, retryOf?: string) {
  return { type: 'MessageReceived', data: { messageId, text, ...(retryOf === undefined ? {} : { retryOf }) } } as const
}

function retry(
  { messageId, newMessageId }: Extract<SessionCommand, { type: 'retry' }>,
  { context }: Session,
): Decision<SessionFact> {
  const message = context.unanswered.find((unanswered) => shownId(unanswered) === messageId)
  return message
    ? { facts: [received(newMessageId, message.text, messageId)] }
    : refuse(
        new CommandRefused('retry', 'Only a message whose turn failed, was interrupted or was stopped can be retried.'),
      )
}

function startTurn(
  { node, timeoutMs }: Extract<SessionCommand, { type: 'startTurn' }>,
  { context: { turn, queue } }: Session,
  context: DecideContext,
): Decision<SessionFact> {
  const [next] = queue
  if (turn || !next) return nothing
  const deadline = instant(context.now + timeoutMs)
  return {
    facts: [{ type: 'TurnStarted', data: { turn: context.newId(), messageId: next.messageId, node, deadline } }],
  }
}

function endTurn(
  command: Extract<SessionCommand, { type: 'completeTurn' | 'failTurn' | 'interruptTurn' }>,
  { context: { turn } }: Session,
): Decision<SessionFact> {
  if (turn?.claim !== command.claim) return refuse(new AttemptFenced('turn', 'this conversation', command.claim))
  const ended = { turn: turn.id, claim: turn.claim }
  switch (command.type) {
    case 'completeTurn':
      return { facts: [{ type: 'TurnCompleted', data: ended }] }
    case 'failTurn':
      return { facts: [{ type: 'TurnFailed', data: { ...ended, error: command.error } }] }
    case 'interruptTurn':
      return { facts: [{ type: 'TurnInterrupted', data: { ...ended, cause: command.cause } }] }
  }
}

function speak(
  command: Extract<SessionCommand, Speaking>,
  { context: { turn, said, title } }: Session,
): Decision<SessionFact> {
  const { turnClaim, taskId, taskClaim } = command.speaker
  if (turnClaim !== undefined && turn?.claim !== turnClaim) {
    return refuse(new AttemptFenced('turn', 'this conversation', turnClaim))
  }
  const by = {
    ...(turnClaim !== undefined && turn ? { turn: turn.id, claim: turnClaim } : {}),
    ...(taskId === undefined ? {} : { taskId }),
    ...(taskClaim === undefined ? {} : { claim: taskClaim }),
  }
  switch (command.type) {
    case 'reply': {
      const { replyId, text, streamed } = command
      if (said.includes(replyId)) return nothing
      return { facts: [{ type: 'Replied', data: { ...by, replyId, text, ...(streamed ? { streamed } : {}) } }] }
    }
    case 'stream': {
      const { replyId, offset, text } = command
      // Another attempt has finished this reply.
      if (said.includes(replyId)) return nothing
      return { facts: [{ type: 'ReplyStreamed', data: { ...by, replyId, offset, text } }] }
    }
    case 'notify':
      return { facts: [{ type: 'Notified', data: { ...by, noticeId: command.noticeId, text: command.text } }] }
    case 'show':
      return said.includes(command.blockId)
        ? nothing
        : { facts: [{ type: 'BlockShown', data: { ...by, blockId: command.blockId, block: command.block } }] }
    case 'showTask': {
      const { shownId, message } = command
      if (said.includes(shownId)) return nothing
      return {
        facts: [
          {
            type: 'TaskShown',
            data: { ...by, shownId, shownTaskId: command.taskId, ...(message === undefined ? {} : { message }) },
          },
        ],
      }
    }
    case 'setTitle':
      return title === command.title ? nothing : { facts: [{ type: 'TitleSet', data: { title: command.title } }] }
    case 'setData':
      return { facts: [{ type: 'DataSet', data: { ...by, key: command.key, value: command.value } }] }
  }
}
