import { describe, expect, test } from 'vitest'
import {
  AttemptFenced,
  CommandRefused,
  NotFound,
  type SessionCommand,
  type SessionContext,
  sessionKind,
} from '../../src/actors/index.ts'
import type { SessionFact } from '../../src/events/index.ts'
import { at, type Past, spec } from './given.ts'

const { given } = spec<SessionFact, SessionCommand, SessionContext>(sessionKind)

type Given = Past<SessionFact>

const begun: Given = { type: 'SessionStarted', data: { ownerId: 'ada' } }
const message = (messageId: string, retryOf?: string): Given => ({
  type: 'MessageReceived',
  by: 'user:ada',
  data: { messageId, text: `text of ${messageId}`, ...(retryOf ? { retryOf } : {}) },
})
/** The turn of a message; its claim is `claim of <turn>`. */
const turn = (id: string, messageId: string): Given => ({
  type: 'TurnStarted',
  id: `claim of ${id}`,
  data: { turn: id, messageId, node: 'n1', deadline: at(600_000) },
})
const ended = (id: string) => ({ turn: id, claim: `claim of ${id}` })
const completed = (id: string): Given => ({ type: 'TurnCompleted', data: ended(id) })
const error = { type: 'Error', message: 'broken', retryable: true }
const startTurn: SessionCommand = { type: 'startTurn', node: 'n1', timeoutMs: 600_000 }
const answering = [begun, message('m1'), turn('t1', 'm1')]

describe('a conversation', () => {
  test('begins once', () => {
    given()
      .when({ type: 'start', ownerId: 'ada', title: 'Hi' })
      .records({ type: 'SessionStarted', data: { ownerId: 'ada', title: 'Hi' } })
    given(begun).when({ type: 'start', ownerId: 'bob' }).nothing()
  })

  test('begins with its first message where that is asked for', () => {
    given()
      .when({ type: 'receive', messageId: 'm1', text: 'text of m1', createFor: 'ada' })
      .records(begun, { type: 'MessageReceived', data: { messageId: 'm1', text: 'text of m1' } })
    given()
      .when({ type: 'receive', messageId: 'm1', text: 'hi' })
      .refused(NotFound, /no session "the-one"/)
  })

  test('is not there for a handler whose conversation is gone, and is named', () => {
    given()
      .when({ type: 'notify', noticeId: 'n1', text: 'hi', speaker: {} })
      .refused(NotFound, /no session "the-one"/)
  })

  test('is not there for a message that is only for a conversation of somebody else', () => {
    const receive = { type: 'receive', messageId: 'm1', text: 'hi', createFor: 'bob', onlyOf: 'bob' } as const
    given(begun)
      .when(receive)
      .refused(NotFound, /no session "the-one"/)
    given(begun)
      .when({ ...receive, onlyOf: 'ada' })
      .recordsA('MessageReceived')
  })

  test('that has ended takes nothing more', () => {
    given(begun, { type: 'SessionEnded', data: {} })
      .when({ type: 'receive', messageId: 'm1', text: 'hi' })
      .refused(CommandRefused, /has ended. Start a new one/)
  })

  test('that has ended answers nothing that waited in it', () => {
    const state = given(begun, message('m1'), { type: 'SessionEnded', data: {} }).when(startTurn).records()
    expect(state.context).toMatchObject({ queue: [], turn: undefined })
  })
})

describe('turns', () => {
  test('begin in the order of the messages', () => {
    const state = given(begun, message('m1'), message('m2'))
      .when(startTurn)
      .records({ type: 'TurnStarted', data: { turn: 'new0', messageId: 'm1', node: 'n1', deadline: at(600_000) } })
    expect(state.value).toBe('answering')
    expect(state.context.turn?.message).toEqual({ messageId: 'm1', text: 'text of m1', by: 'user:ada' })
    expect(state.context.queue.map(({ messageId }) => messageId)).toEqual(['m2'])
  })

  test('run one at a time', () => {
    given(...answering, message('m2'))
      .when(startTurn)
      .nothing()
    given(...answering, message('m2'), completed('t1'))
      .when(startTurn)
      .recordsA('TurnStarted')
    given(begun).when(startTurn).nothing()
  })

  test('end by their own claim', () => {
    given(...answering)
      .when({ type: 'completeTurn', claim: 'claim of t1' })
      .records(completed('t1'))
    given(...answering)
      .when({ type: 'failTurn', claim: 'claim of t1', error })
      .records({ type: 'TurnFailed', data: { ...ended('t1'), error } })
    given(...answering)
      .when({ type: 'interruptTurn', claim: 'claim of t1', cause: 'timeout' })
      .records({ type: 'TurnInterrupted', data: { ...ended('t1'), cause: 'timeout' } })
  })

  test.each<SessionCommand>([
    { type: 'completeTurn', claim: 'claim of t1' },
    { type: 'failTurn', claim: 'claim of t1', error },
    { type: 'interruptTurn', claim: 'claim of t1', cause: 'crash' },
  ])('that are over do not end again: $type', (command) => {
    given(...answering, completed('t1'))
      .when(command)
      .refused(AttemptFenced, /turn of this conversation has lost its claim/)
    given(...answering, completed('t1'), message('m2'), turn('t2', 'm2'))
      .when(command)
      .refused(AttemptFenced, /lost its claim/)
  })

  test('stop when asked to, and only then', () => {
    const state = given(...answering)
      .when({ type: 'stopTurn' })
      .records({ type: 'TurnStopped', data: ended('t1') })
    expect(state.value).toBe('idle')
    given(begun)
      .when({ type: 'stopTurn' })
      .refused(CommandRefused, /Nothing is being answered/)
  })
})

describe('retry', () => {
  const ENDINGS: readonly Given[] = [
    { type: 'TurnFailed', data: { ...ended('t1'), error } },
    { type: 'TurnInterrupted', data: { ...ended('t1'), cause: 'crash' } },
    { type: 'TurnStopped', data: ended('t1') },
  ]
  const retry: SessionCommand = { type: 'retry', messageId: 'm1', newMessageId: 'm9' }

  test.each(ENDINGS)('after $type asks the same again, once, behind what waits', (ending) => {
    const state = given(...answering, message('m2'), ending)
      .when(retry)
      .records({ type: 'MessageReceived', data: { messageId: 'm9', text: 'text of m1', retryOf: 'm1' } })
    expect(state.context.queue.map(({ messageId }) => messageId)).toEqual(['m2', 'm9'])
    given(...answering, ending, message('m9', 'm1'))
      .when(retry)
      .refused(CommandRefused, /can be retried/)
  })

  test('of one that was tried again in vain names it as before', () => {
    const again: Given = { type: 'TurnStarted', data: { turn: 't2', messageId: 'm9', node: 'n', deadline: at(60_000) } }
    const failed: Given = { type: 'TurnFailed', data: { ...ended('t1'), error } }
    given(...answering, failed, message('m9', 'm1'), again, {
      type: 'TurnFailed',
      data: { turn: 't2', claim: 'f5', error },
    })
      .when({ ...retry, newMessageId: 'm10' })
      .records({ type: 'MessageReceived', data: { messageId: 'm10', text: 'text of m9', retryOf: 'm1' } })
  })

  test('of a message that was answered, waits or is being answered is refused', () => {
    given(...answering, completed('t1'))
      .when(retry)
      .refused(CommandRefused, /can be retried/)
    given(...answering)
      .when(retry)
      .refused(CommandRefused, /can be retried/)
    given(begun, message('m1'))
      .when(retry)
      .refused(CommandRefused, /can be retried/)
  })
})

describe('what a handler says', () => {
  const byTurn = { turnClaim: 'claim of t1' }
  const byTask = { taskId: 'task', taskClaim: 'c1' }

  test('carries who said it', () => {
    given(...answering)
      .when({ type: 'reply', replyId: 'r1', text: 'hi', speaker: byTurn })
      .records({ type: 'Replied', data: { turn: 't1', claim: 'claim of t1', replyId: 'r1', text: 'hi' } })
    given(begun)
      .when({ type: 'reply', replyId: 'r1', text: 'hi', streamed: true, speaker: byTask })
      .records({ type: 'Replied', data: { taskId: 'task', claim: 'c1', replyId: 'r1', text: 'hi', streamed: true } })
  })

  const SAYINGS: readonly SessionCommand[] = [
    { type: 'reply', replyId: 'x', text: 'hi', speaker: byTurn },
    { type: 'stream', replyId: 'x', offset: 0, text: 'hi', speaker: byTurn },
    { type: 'notify', noticeId: 'x', text: 'hi', speaker: byTurn },
    { type: 'show', blockId: 'x', block: {}, speaker: byTurn },
    { type: 'showTask', shownId: 'x', taskId: 'task', speaker: byTurn },
    { type: 'setTitle', title: 'hi', speaker: byTurn },
    { type: 'setData', key: 'k', value: 1, speaker: byTurn },
  ]

  test.each(SAYINGS)('$type is recorded while its turn runs, and refused afterwards', (command) => {
    given(...answering)
      .when(command)
      .recordsOne()
    given(...answering, completed('t1'))
      .when(command)
      .refused(AttemptFenced, /Stop working/)
    given(...answering, completed('t1'), message('m2'), turn('t2', 'm2'))
      .when(command)
      .refused(AttemptFenced, /Stop/)
  })

  test('once is not said again: a reply, a block, a task', () => {
    const said: readonly Given[] = [
      { type: 'Replied', data: { replyId: 'x', text: 'hi' } },
      { type: 'BlockShown', data: { blockId: 'x', block: {} } },
      { type: 'TaskShown', data: { shownId: 'x', shownTaskId: 'task' } },
    ]
    const again = SAYINGS.filter(({ type }) => type === 'reply' || type === 'show' || type === 'showTask')
    said.forEach((fact, index) => {
      const command = again[index]
      if (command)
        given(...answering, fact)
          .when(command)
          .nothing()
    })
  })

  test('is not written into a reply that has been given', () => {
    given(begun, { type: 'Replied', data: { replyId: 'r', text: 'whole' } })
      .when({ type: 'stream', replyId: 'r', offset: 0, text: 'wh', speaker: byTask })
      .nothing()
  })

  test('as a notice may change as often as it likes', () => {
    const notified: Given = { type: 'Notified', data: { noticeId: 'n', text: 'one' } }
    given(begun, notified).when({ type: 'notify', noticeId: 'n', text: 'two', speaker: byTask }).recordsOne()
  })

  test('as a title counts when it differs', () => {
    given(begun, { type: 'TitleSet', data: { title: 'A' } })
      .when({ type: 'setTitle', title: 'A', speaker: byTask })
      .nothing()
  })

  test('as data is kept by key; null takes the key away', () => {
    const set: Given = { type: 'DataSet', data: { key: 'a', value: [1] } }
    expect(given(begun, set).state.context.data).toEqual({ a: [1] })
    const state = given(begun, set).when({ type: 'setData', key: 'a', value: null, speaker: byTask }).recordsOne()
    expect(state.context.data).toEqual({})
  })
})
