/** What conversations hold to: turns one at a time, in order, and nothing that was typed is lost or said twice. */
import type { RecordedEvent, SessionFact } from '../../../src/events/index.ts'
import { type History, type Invariant, streamsOf } from '../history.ts'

export const sessionInvariants: readonly Invariant[] = [
  { name: 'turns run one at a time and in order', check: turnsInOrder },
  { name: 'what was typed is recorded once', check: typedOnce },
  { name: 'what was said with an id is said once', check: saidOnce },
]

interface Turn {
  readonly claim: string
  readonly turn: string
}

function* turnsInOrder({ events }: History): Iterable<string> {
  for (const [id, stream] of streamsOf(events, 'session')) {
    const queue: string[] = []
    let turn: Turn | undefined
    for (const event of stream) {
      const fact = event as unknown as SessionFact
      const where = `${fact.type} of session ${id} at ${event.revision}`
      if (fact.type === 'MessageReceived') queue.push(fact.data.messageId)
      else if (fact.type === 'TurnStarted') {
        if (turn) yield `${where} while another turn runs`
        const next = queue.shift()
        if (next !== fact.data.messageId) yield `${where} answers ${fact.data.messageId}, the next message is ${next}`
        turn = { claim: event.id, turn: fact.data.turn }
      } else {
        yield* ofTheTurn(where, event, turn)
        if (ENDS_TURN.includes(fact.type)) turn = undefined
      }
    }
    if (turn) yield `session ${id} has a turn that never ended`
    if (queue.length > 0) yield `session ${id} has ${queue.length} messages that were never answered`
  }
}

const ENDS_TURN = ['TurnCompleted', 'TurnFailed', 'TurnInterrupted', 'TurnStopped']

function* ofTheTurn(where: string, { type, data }: RecordedEvent, turn: Turn | undefined) {
  if (data.turn === undefined) {
    if (ENDS_TURN.includes(type)) yield `${where} names no turn`
  } else if (data.turn !== turn?.turn || data.claim !== turn?.claim) {
    yield `${where} is of turn ${data.turn} with claim ${data.claim}, the current one is ${turn?.turn}`
  }
}

function* typedOnce({ events, acknowledged }: History): Iterable<string> {
  const received = new Map<string, number>()
  for (const { type, data } of events) {
    if (type !== 'MessageReceived') continue
    received.set(String(data.messageId), (received.get(String(data.messageId)) ?? 0) + 1)
  }
  for (const [messageId, times] of received) if (times > 1) yield `message ${messageId} is recorded ${times} times`
  for (const { command, commandId, id } of acknowledged) {
    const typed = command === 'say' || command === 'retry message'
    if (typed && !received.has(commandId)) yield `message ${commandId} to session ${id} was acknowledged and is lost`
  }
}

function* saidOnce({ events }: History): Iterable<string> {
  for (const [id, stream] of streamsOf(events, 'session')) {
    const said = new Set<string>()
    for (const { type, data } of stream) {
      if (type !== 'Replied') continue
      const replyId = String(data.replyId)
      if (said.has(replyId)) yield `reply ${replyId} appears twice in session ${id}`
      said.add(replyId)
    }
  }
}
