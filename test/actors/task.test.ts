import { describe, expect, test } from 'vitest'
import {
  AttemptFenced,
  CommandRefused,
  type TaskCommand,
  type TaskContext,
  taskActions,
  taskKind,
} from '../../src/actors/index.ts'
import type { Submission, TaskError, TaskFact } from '../../src/events/index.ts'
import { at, type Past, spec, submission } from './given.ts'

const { given } = spec<TaskFact, TaskCommand, TaskContext>(taskKind)

type Given = Past<TaskFact>

const submitted = (changes: Partial<Submission> = {}): Given => ({ type: 'TaskSubmitted', data: submission(changes) })
const scheduled = (runAt: number, changes: Partial<Submission> = {}): Given => ({
  type: 'TaskScheduled',
  data: { ...submission(changes), runAt: at(runAt) },
})
const started = (attempt = 1, more: { id?: string; alone?: boolean } = {}): Given => ({
  type: 'TaskStarted',
  id: more.id ?? `c${attempt}`,
  data: { attempt, node: 'n1', ...(more.alone ? { alone: true } : {}) },
})
const interrupted = (claim: string, cause: 'crash' | 'drain' | 'lost' = 'crash'): Given => ({
  type: 'TaskInterrupted',
  data: { claim, cause, runAt: at(0) },
})
const retryScheduled = (claim: string, runAt = 0): Given => ({
  type: 'TaskRetryScheduled',
  data: { claim, cause: 'failure', error, runAt: at(runAt) },
})
const cancelRequested = (claim = 'c1'): Given => ({ type: 'TaskCancelRequested', data: { claim, reason: 'enough' } })
const error: TaskError = { type: 'Error', message: 'broken', retryable: true }
const hopeless: TaskError = { ...error, retryable: false }

const completed = (claim = 'c1'): Given => ({ type: 'TaskCompleted', data: { claim, result: 1 } })
const failed = (claim = 'c1'): Given => ({ type: 'TaskFailed', data: { claim, error } })
const timedOut = (claim = 'c1'): Given => ({ type: 'TaskTimedOut', data: { claim, error } })
const cancelled = (claim?: string): Given => ({ type: 'TaskCancelled', data: claim === undefined ? {} : { claim } })

const running = [submitted(), started()]
const ENDED: Readonly<Record<string, readonly Given[]>> = {
  completed: [...running, completed()],
  failed: [...running, failed()],
  timeout: [...running, timedOut()],
  cancelled: [submitted(), cancelled()],
}
const WAITING: Readonly<Record<string, readonly Given[]>> = {
  pending: [submitted()],
  scheduled: [scheduled(0)],
  retry: [...running, interrupted('c1', 'drain')],
}

const complete = (claim = 'c1'): TaskCommand => ({ type: 'complete', claim, result: 7 })
const fail = (claim = 'c1', of = error): TaskCommand => ({
  type: 'fail',
  claim,
  error: of,
  delayMs: 500,
})
const start: TaskCommand = { type: 'start', node: 'n2' }

describe('submit', () => {
  test('makes a pending task', () => {
    const state = given()
      .when({ type: 'submit', submission: submission() })
      .records({ type: 'TaskSubmitted', data: submission() })
    expect(state.value).toBe('pending')
  })

  test('with a start claims in the same append', () => {
    const state = given()
      .when({ type: 'submit', submission: submission({ timeoutMs: 1000 }), start: { node: 'n1', version: '1.2' } })
      .records(
        { type: 'TaskSubmitted', data: submission({ timeoutMs: 1000 }) },
        { type: 'TaskStarted', data: { attempt: 1, node: 'n1', deadline: at(1000), version: '1.2' } },
      )
    expect(state.value).toBe('running')
  })

  test('for later makes a scheduled task, and never starts it in the same append', () => {
    const later = submission({ runAt: at(60_000) })
    const state = given()
      .when({ type: 'submit', submission: later, start: { node: 'n1' } })
      .records({ type: 'TaskScheduled', data: { ...later, runAt: at(60_000) } })
    expect(state).toMatchObject({ value: 'scheduled', context: { runAt: Date.parse(at(60_000)) } })
  })

  test.each([...Object.entries(WAITING), ...Object.entries(ENDED), ['running', running]] as const)(
    'of a task that is %s changes nothing',
    (_, facts) => {
      given(...facts)
        .when({ type: 'submit', submission: submission({ name: 'other' }) })
        .nothing()
    },
  )
})

describe('start', () => {
  test.each(Object.entries(WAITING))('claims a task that is %s', (_, facts) => {
    const state = given(...facts)
      .when(start)
      .recordsA('TaskStarted')
    expect(state).toMatchObject({ value: 'running', context: { runAt: undefined, claim: { node: 'n2' } } })
  })

  test('counts attempts, and dates the deadline from now', () => {
    given(submitted({ timeoutMs: 2000 }), started(), interrupted('c1'))
      .when({ type: 'start', node: 'n2', fence: '4', alone: true }, { now: 100 })
      .records({ type: 'TaskStarted', data: { attempt: 2, node: 'n2', deadline: at(2100), fence: '4', alone: true } })
  })

  test('before the task is due is refused', () => {
    given(scheduled(60_000))
      .when(start, { now: 59_999 })
      .refused(CommandRefused, /not due before 2026-03-01T12:01/)
    given(scheduled(60_000)).when(start, { now: 60_000 }).recordsA('TaskStarted')
    given(...running, retryScheduled('c1', 500))
      .when(start, { now: 499 })
      .refused(CommandRefused, /not due/)
  })

  test('by a node that has not heard of a crash is refused: it may be a suspect, and run alone', () => {
    const crashed = [submitted(), started(), interrupted('c1')] as const
    given(...crashed)
      .when({ ...start, crashes: 0 })
      .refused(CommandRefused, /ended 1 processes, of which the node knows 0/)
    given(...crashed)
      .when({ ...start, crashes: 1 })
      .recordsA('TaskStarted')
  })

  test('by a node that has not heard of a new run is refused', () => {
    const again = [...running, failed('c1'), { type: 'TaskRequeued', data: { run: 2 } }] as const
    given(...again)
      .when({ ...start, run: 1 })
      .refused(CommandRefused, /in its run 2, not 1/)
    given(...again)
      .when({ ...start, run: 2 })
      .recordsA('TaskStarted')
  })

  test.each([['running', running], ['new', []], ...Object.entries(ENDED)] as const)(
    'is refused when %s',
    (name, facts) => {
      given(...facts)
        .when(start)
        .refused(CommandRefused, new RegExp(`is ${name}, not waiting`))
    },
  )
})

describe('the claim', () => {
  const COMMANDS: readonly Extract<TaskCommand, { claim: string }>[] = [
    { type: 'progress', claim: 'old', fraction: 0.5 },
    { type: 'log', claim: 'old', level: 'info', message: 'hi' },
    { type: 'extend', claim: 'old' },
    { type: 'complete', claim: 'old', result: 1 },
    { type: 'fail', claim: 'old', error, delayMs: 0 },
    { type: 'timeOut', claim: 'old', error, delayMs: 0 },
    { type: 'interrupt', claim: 'old', cause: 'crash' },
    { type: 'acknowledgeCancel', claim: 'old' },
  ]
  const STATES = { ...WAITING, ...ENDED, running, 'being cancelled': [...running, cancelRequested()] }

  // A promise: see docs/promises.md.
  test.each(
    COMMANDS.flatMap((command) =>
      Object.entries(STATES).map(([name, facts]) => [command.type, name, command, facts] as const),
    ),
  )('refuses %s of another attempt of a task that is %s, and records the try', (_, __, command, facts) => {
    const { context, value } = given(...facts).state
    const reason = context.claim
      ? 'Attempt 1 on n1 holds the claim.'
      : `The task is ${value}: no attempt holds a claim.`
    given(...facts)
      .when(command)
      .refused(AttemptFenced, /lost its claim/, {
        type: 'TaskWriteRefused',
        data: { claim: 'old', tried: command.type, reason },
      })
  })

  test('a repeated try of the same kind is recorded once', () => {
    const refusedBefore: Given = { type: 'TaskWriteRefused', data: { claim: 'old', tried: 'complete', reason: 'r' } }
    given(...running, refusedBefore)
      .when(complete('old'))
      .refused(AttemptFenced, /lost its claim/)
    given(...running, refusedBefore)
      .when(complete('older'))
      .refused(AttemptFenced, /lost/, {
        type: 'TaskWriteRefused',
        data: { claim: 'older', tried: 'complete', reason: 'Attempt 1 on n1 holds the claim.' },
      })
  })

  // A promise: see docs/promises.md.
  test('a refused write changes nothing but the record of it', () => {
    const before = given(...running).state
    const after = given(...running, {
      type: 'TaskWriteRefused',
      data: { claim: 'x', tried: 'complete', reason: 'r' },
    }).state
    expect(after).toEqual({
      ...before,
      context: { ...before.context, revision: before.context.revision + 1, refusedWrites: ['x:complete'] },
    })
  })

  test('of a task that does not exist is refused without a record', () => {
    given()
      .when(complete('c1'))
      .refused(AttemptFenced, /lost its claim/)
  })
})

describe('an attempt', () => {
  test('completes', () => {
    const state = given(...running)
      .when(complete())
      .records({ type: 'TaskCompleted', data: { claim: 'c1', result: 7 } })
    expect(state).toMatchObject({ value: 'completed', context: { result: 7, claim: undefined } })
  })

  test('reports progress, logs, and pushes its deadline out', () => {
    given(...running)
      .when({ type: 'progress', claim: 'c1', fraction: 0.5, message: 'half' })
      .records({ type: 'TaskProgressed', data: { claim: 'c1', fraction: 0.5, message: 'half' } })
    given(...running)
      .when({ type: 'log', claim: 'c1', level: 'warn', message: 'slow', data: [1] })
      .records({ type: 'TaskLogged', data: { claim: 'c1', level: 'warn', message: 'slow', data: [1] } })
    const state = given(submitted({ timeoutMs: 1000 }), started())
      .when({ type: 'extend', claim: 'c1' }, { now: 900 })
      .records({ type: 'TaskDeadlineExtended', data: { claim: 'c1', deadline: at(1900) } })
    expect(state.context.claim?.deadline).toBe(Date.parse(at(1900)))
  })

  test('fails for good without retries', () => {
    const state = given(...running)
      .when(fail())
      .records({ type: 'TaskFailed', data: { claim: 'c1', error } })
    expect(state).toMatchObject({ value: 'failed', context: { error } })
  })

  test('fails and runs again while retries are left', () => {
    const twice = [submitted({ retries: 2 }), started(1), retryScheduled('c1'), started(2)]
    const state = given(...twice)
      .when(fail('c2'), { now: 1000 })
      .records({ type: 'TaskRetryScheduled', data: { claim: 'c2', cause: 'failure', error, runAt: at(1500) } })
    expect(state).toMatchObject({ value: 'retry', context: { failures: 2, claim: undefined } })
    given(...twice, retryScheduled('c2'), started(3))
      .when(fail('c3'))
      .recordsA('TaskFailed')
  })

  test('fails at once with an error that no retry helps', () => {
    given(submitted({ retries: 5 }), started())
      .when(fail('c1', hopeless))
      .recordsA('TaskFailed')
  })

  test('times out for good, though retries are left', () => {
    const state = given(submitted({ retries: 5 }), started())
      .when({ type: 'timeOut', claim: 'c1', error, delayMs: 500 })
      .records({ type: 'TaskTimedOut', data: { claim: 'c1', error } })
    expect(state.value).toBe('timeout')
  })

  test('with retryOnTimeout times out into a retry, which is used up', () => {
    const facts = [submitted({ retries: 1, retryOnTimeout: true }), started()]
    const state = given(...facts)
      .when({ type: 'timeOut', claim: 'c1', error, delayMs: 500 })
      .records({ type: 'TaskRetryScheduled', data: { claim: 'c1', cause: 'timeout', error, runAt: at(500) } })
    expect(state.context.failures).toBe(1)
    given(...facts, retryScheduled('c1'), started(2))
      .when({ type: 'timeOut', claim: 'c2', error, delayMs: 500 })
      .recordsA('TaskTimedOut')
  })
})

describe('an interruption', () => {
  // A promise: see docs/promises.md.
  test.each(['crash', 'drain', 'lost'] as const)('(%s) is no failure: the task may start again at once', (cause) => {
    const state = given(...running)
      .when({ type: 'interrupt', claim: 'c1', cause }, { now: 50 })
      .records({ type: 'TaskInterrupted', data: { claim: 'c1', cause, runAt: at(50) } })
    expect(state).toMatchObject({ value: 'retry', context: { failures: 0, crashes: cause === 'crash' ? 1 : 0 } })
  })

  test.each(['crash', 'drain', 'lost'] as const)("(%s) with onInterrupt 'fail' ends the task", (cause) => {
    given(submitted({ onInterrupt: 'fail' }), started())
      .when({ type: 'interrupt', claim: 'c1', cause })
      .records({
        type: 'TaskFailed',
        data: {
          claim: 'c1',
          error: {
            type: 'TaskInterrupted',
            message: `Its process ended (${cause}) and onInterrupt is 'fail'.`,
            retryable: false,
          },
        },
      })
  })

  const twoCrashes = [submitted(), started(1), interrupted('c1'), started(2), interrupted('c2')]

  // A promise: see docs/promises.md.
  test('a third crash poisons only a task that was alone', () => {
    given(...twoCrashes, started(3))
      .when({ type: 'interrupt', claim: 'c3', cause: 'crash' })
      .recordsA('TaskInterrupted')
    const poisoned = given(...twoCrashes, started(3, { alone: true }))
      .when({ type: 'interrupt', claim: 'c3', cause: 'crash' })
      .recordsA('TaskFailed')
    expect(poisoned.context.error).toMatchObject({ type: 'Poisoned', retryable: false })
    expect(poisoned.context.error?.message).toContain('3 times, the last time alone on n1')
  })

  test('a drain or a lost store never poisons', () => {
    for (const cause of ['drain', 'lost'] as const) {
      given(...twoCrashes, started(3, { alone: true }))
        .when({ type: 'interrupt', claim: 'c3', cause })
        .recordsA('TaskInterrupted')
    }
  })
})

describe('cancel', () => {
  test.each(Object.entries(WAITING))('of a task that is %s is immediate', (_, facts) => {
    const state = given(...facts)
      .when({ type: 'cancel', reason: 'enough' })
      .records({ type: 'TaskCancelled', data: { reason: 'enough' } })
    expect(state.value).toBe('cancelled')
  })

  test('of a running task asks its attempt to stop, once', () => {
    const state = given(...running)
      .when({ type: 'cancel', reason: 'enough' })
      .records({ type: 'TaskCancelRequested', data: { claim: 'c1', reason: 'enough' } })
    expect(state.value).toBe('running')
    given(...running, cancelRequested())
      .when({ type: 'cancel' })
      .nothing()
  })

  test.each(Object.entries(ENDED))('of a task that is %s is refused and says so', (name, facts) => {
    given(...facts)
      .when({ type: 'cancel' })
      .refused(CommandRefused, new RegExp(`ended already: it is ${name}`))
  })

  const ENDINGS: readonly TaskCommand[] = [
    fail(),
    fail('c1', hopeless),
    { type: 'timeOut', claim: 'c1', error, delayMs: 0 },
    { type: 'interrupt', claim: 'c1', cause: 'crash' },
    { type: 'interrupt', claim: 'c1', cause: 'drain' },
    { type: 'acknowledgeCancel', claim: 'c1' },
  ]
  test.each(ENDINGS.map((command) => [command.type, command] as const))(
    'once asked for, %s ends the run as cancelled',
    (_, command) => {
      const facts = [submitted({ retries: 3, retryOnTimeout: true, onInterrupt: 'fail' }), started(), cancelRequested()]
      const state = given(...facts)
        .when(command)
        .records({ type: 'TaskCancelled', data: { claim: 'c1', reason: 'enough' } })
      expect(state.value).toBe('cancelled')
    },
  )

  test('in a later attempt leaves no error of an earlier one', () => {
    const again = [submitted({ retries: 1 }), started(), retryScheduled('c1'), started(2), cancelRequested('c2')]
    const state = given(...again)
      .when({ type: 'acknowledgeCancel', claim: 'c2' })
      .recordsA('TaskCancelled')
    expect(state.context.error).toBeUndefined()
  })

  test('an attempt that finished first is completed', () => {
    given(...running, cancelRequested())
      .when(complete())
      .recordsA('TaskCompleted')
  })

  test('nobody acknowledges what nobody asked for', () => {
    given(...running)
      .when({ type: 'acknowledgeCancel', claim: 'c1' })
      .refused(CommandRefused, /Nobody asked/)
  })

  test('a request that was fulfilled is forgotten by the next run', () => {
    const facts = [
      ...running,
      cancelRequested(),
      cancelled('c1'),
      { type: 'TaskRequeued', data: { run: 2 } } as const,
      started(2),
    ]
    given(...facts)
      .when(fail('c2'))
      .recordsA('TaskFailed')
  })
})

describe('reject', () => {
  test.each(Object.entries(WAITING))('fails a task that is %s with the reason', (_, facts) => {
    const state = given(...facts)
      .when({ type: 'reject', error: hopeless })
      .records({ type: 'TaskFailed', data: { error: hopeless } })
    expect(state.value).toBe('failed')
  })

  test('of one that runs or has ended is refused', () => {
    given(...running)
      .when({ type: 'reject', error })
      .refused(CommandRefused, /is running, not waiting/)
    given(...running, completed())
      .when({ type: 'reject', error })
      .refused(CommandRefused, /is completed, not waiting/)
  })
})

describe('requeue', () => {
  test.each(['failed', 'timeout', 'cancelled'] as const)('begins a new run of a task that is %s', (name) => {
    const state = given(...(ENDED[name] ?? []))
      .when({ type: 'requeue', reason: 'again' })
      .records({ type: 'TaskRequeued', data: { run: 2, reason: 'again' } })
    expect(state).toMatchObject({ value: 'pending', context: { run: 2, error: undefined } })
  })

  // A promise: see docs/promises.md.
  test('resets the counts that are held against a run, and keeps the number of attempts', () => {
    const facts = [
      submitted({ retries: 1 }),
      started(1),
      interrupted('c1'),
      started(2),
      retryScheduled('c2'),
      started(3),
      failed('c3'),
    ]
    const state = given(...facts)
      .when({ type: 'requeue' })
      .records({ type: 'TaskRequeued', data: { run: 2 } })
    expect(state.context).toMatchObject({ attempt: 3, failures: 0, crashes: 0 })
    const again = [...facts, { type: 'TaskRequeued', data: { run: 2 } } as const, started(4)]
    given(...again)
      .when(fail('c4'))
      .recordsA('TaskRetryScheduled')
    given(...again, failed('c4'))
      .when({ type: 'requeue' })
      .records({ type: 'TaskRequeued', data: { run: 3 } })
  })

  test('of a scheduled task that was cancelled runs now, not when it was due', () => {
    const state = given(scheduled(60_000), cancelled(), { type: 'TaskRequeued', data: { run: 2 } }).state
    expect(state).toMatchObject({ value: 'pending', context: { runAt: undefined } })
  })

  test('of one that was deleted is refused', () => {
    given(...(ENDED.failed ?? []), { type: 'TaskDeleted', data: {} })
      .when({ type: 'requeue' })
      .refused(CommandRefused, /was deleted/)
  })

  test('of one that completed, waits or runs is refused', () => {
    given(...running, completed())
      .when({ type: 'requeue' })
      .refused(CommandRefused, /Submit it again/)
    given(submitted())
      .when({ type: 'requeue' })
      .refused(CommandRefused, /is pending: it has not ended/)
    given(...running)
      .when({ type: 'requeue' })
      .refused(CommandRefused, /is running: it has not ended/)
  })
})

describe('refresh', () => {
  test('pushes out the deadline of whichever attempt runs', () => {
    given(submitted({ timeoutMs: 1000 }), started())
      .when({ type: 'refresh' }, { now: 10 })
      .records({ type: 'TaskDeadlineExtended', data: { claim: 'c1', deadline: at(1010) } })
  })

  test('needs a running attempt and a timeout', () => {
    given(submitted({ timeoutMs: 1000 }))
      .when({ type: 'refresh' })
      .refused(CommandRefused, /is pending: only a running/)
    given(...running)
      .when({ type: 'refresh' })
      .refused(CommandRefused, /no timeout/)
  })
})

describe('delete', () => {
  test('hides once, and changes nothing else', () => {
    const state = given(...running)
      .when({ type: 'delete' })
      .records({ type: 'TaskDeleted', data: {} })
    expect(state).toMatchObject({ value: 'running', context: { deleted: true, claim: { id: 'c1' } } })
    given(...running, { type: 'TaskDeleted', data: {} })
      .when({ type: 'delete' })
      .nothing()
    given()
      .when({ type: 'delete' })
      .refused(CommandRefused, /no such task/)
  })
})

describe('what an operator may do', () => {
  test.each([
    ['pending', ['cancel', 'delete']],
    ['scheduled', ['cancel', 'delete']],
    ['retry', ['cancel', 'delete']],
    ['running', ['cancel', 'refresh', 'delete']],
    ['completed', ['delete']],
    ['failed', ['retry', 'delete']],
    ['cancelled', ['retry', 'delete']],
    ['timeout', ['retry', 'delete']],
  ] as const)('with a task that is %s is %j', (status, allowed) => {
    const actions = taskActions(status, { cancelRequested: false, hasTimeout: true })
    expect(actions.allowed).toEqual(allowed)
    for (const reason of Object.values(actions.refused)) expect(reason).toMatch(/\w+\.$/)
  })

  test('is not to cancel twice, nor to refresh without a timeout', () => {
    expect(taskActions('running', { cancelRequested: true, hasTimeout: false })).toEqual({
      allowed: ['delete'],
      refused: {
        cancel: 'It has been asked for already.',
        retry: 'The task is running: it has not ended.',
        refresh: 'The task has no timeout, so no deadline to push out.',
      },
    })
  })
})
