/** Random legal histories of actors: commands in any order, and what is decided on them. */
import fc from 'fast-check'
import { evolutionOf } from '../../src/actors/evolve.ts'
import type { ActorKind, SessionCommand, State, TaskCommand, TaskContext } from '../../src/actors/index.ts'
import type { Applied, Fact, Recorded } from '../../src/actors/kind.ts'
import { at, submission, T0 } from './given.ts'

/** What a test says: a command, or what makes one of the state, e.g. with the current claim. */
export type Asked<Command, Context> = (state: State<Context>) => Command

export interface Step<Command, Context> {
  readonly command: Command
  readonly before: State<Context>
  readonly after: State<Context>
  readonly facts: readonly Recorded<Fact>[]
}

/** Runs commands through decide, applies what is decided, and moves the clock on by a second for each. */
export function run<Command, Context extends Applied>(
  kind: ActorKind<Command, Context>,
  asked: readonly Asked<Command, Context>[],
): Step<Command, Context>[] {
  const { initial, next } = evolutionOf(kind)
  let state = initial
  let ids = 0
  return asked.map((ask, second) => {
    const before = state
    const now = T0 + second * 1000
    const command = ask(before)
    const { facts } = kind.decide(command, before, { key: 'k', now, by: 'system', newId: () => `id${ids++}` })
    const recorded = facts.map((fact): Recorded<Fact> => {
      const revision = state.context.revision + 1
      const applied = {
        ...fact,
        id: `e${revision}`,
        revision,
        at: now,
        by: fact.by ?? 'system',
        commandId: undefined,
      } as const
      const after = next(state, applied)
      if (!after) throw new Error(`${fact.type} was decided in state ${state.value}, but the machine refuses it`)
      state = after
      return applied
    })
    return { command, before, after: state, facts: recorded }
  })
}

/** By itself fast-check takes no more than ten commands, which seldom lead to the end of a run. */
export const LONG = { maxLength: 40, size: 'max' } as const

const claims = fc.constantFrom('current', 'former')
const error = fc.record(
  { type: fc.constant('Error'), message: fc.constant('broken'), retryable: fc.boolean() },
  { noNullPrototype: true },
)

const taskCommands = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Asked<TaskCommand, TaskContext>>(() => ({ type: 'start', node: 'n' })) },
  {
    weight: 1,
    arbitrary: fc.boolean().map(
      (alone): Asked<TaskCommand, TaskContext> =>
        () => ({ type: 'start', node: 'n', alone }),
    ),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        claims,
        fc.oneof(
          fc.record({ type: fc.constant('complete' as const), result: fc.constant(1) }),
          fc.record({ type: fc.constant('fail' as const), error, delayMs: fc.nat(2000) }),
          fc.record({ type: fc.constant('timeOut' as const), error, delayMs: fc.nat(2000) }),
          fc.record({
            type: fc.constant('interrupt' as const),
            cause: fc.constantFrom('crash' as const, 'drain', 'lost'),
          }),
          fc.record({ type: fc.constant('progress' as const), fraction: fc.constant(0.5) }),
          fc.record({ type: fc.constant('extend' as const) }),
          fc.record({ type: fc.constant('acknowledgeCancel' as const) }),
        ),
      )
      .map(
        ([whose, command]): Asked<TaskCommand, TaskContext> =>
          ({ context }) => ({ ...command, claim: whose === 'current' ? (context.claim?.id ?? 'none') : 'former' }),
      ),
  },
  {
    weight: 2,
    arbitrary: fc
      .oneof(
        fc.constantFrom<TaskCommand>(
          { type: 'cancel' },
          { type: 'refresh' },
          { type: 'requeue' },
          { type: 'delete' },
          { type: 'submit', submission: submission() },
        ),
        error.map((reason): TaskCommand => ({ type: 'reject', error: reason })),
      )
      .map(
        (command): Asked<TaskCommand, TaskContext> =>
          () =>
            command,
      ),
  },
)

export const taskHistory = fc
  .tuple(
    fc.record({
      retries: fc.nat(3),
      timeoutMs: fc.constantFrom(1000, 60_000),
      retryOnTimeout: fc.boolean(),
      onInterrupt: fc.constantFrom('retry' as const, 'fail' as const),
    }),
    fc.option(fc.nat(3000), { nil: undefined }),
    fc.array(taskCommands, LONG),
  )
  .map(([options, delay, commands]): Asked<TaskCommand, TaskContext>[] => [
    () => ({
      type: 'submit',
      submission: submission({ ...options, ...(delay === undefined ? {} : { runAt: at(delay) }) }),
    }),
    ...commands,
  ])

export const sessionCommands = fc
  .tuple(
    fc.nat(5),
    fc.constantFrom(
      'receive',
      'receive',
      'retry',
      'startTurn',
      'startTurn',
      'completeTurn',
      'failTurn',
      'failTurn',
      'interruptTurn',
      'stopTurn',
      'reply',
      'stream',
      'notify',
      'showTask',
      'setTitle',
      'setData',
    ),
    claims,
  )
  .map(
    ([n, type, whose]): Asked<SessionCommand, Applied & { turn: { claim: string } | undefined }> =>
      ({ context }) => {
        const claim = whose === 'current' ? (context.turn?.claim ?? 'none') : 'former'
        const speaker = { turnClaim: claim }
        switch (type) {
          case 'receive':
            return { type, messageId: `m${n}`, text: 'hi', createFor: 'ada' }
          case 'retry':
            return { type, messageId: `m${n}`, newMessageId: `m${n}-${context.revision}` }
          case 'startTurn':
            return { type, node: 'n', timeoutMs: 1000 }
          case 'completeTurn':
            return { type, claim }
          case 'failTurn':
            return { type, claim, error: { type: 'Error', message: 'broken', retryable: true } }
          case 'interruptTurn':
            return { type, claim, cause: 'timeout' }
          case 'stopTurn':
            return { type }
          case 'notify':
            return { type, noticeId: `n${n}`, text: 'soon', speaker }
          case 'showTask':
            return { type, shownId: `s${n}`, taskId: `t${n}`, speaker }
          case 'setTitle':
            return { type, title: `title ${n}`, speaker }
          case 'reply':
            return { type, replyId: `r${n}`, text: 'hi', speaker }
          case 'stream':
            return { type, replyId: `r${n}`, offset: 0, text: 'h', speaker }
          default:
            return { type: 'setData', key: `k${n % 2}`, value: n === 0 ? null : n, speaker }
        }
      },
  )
