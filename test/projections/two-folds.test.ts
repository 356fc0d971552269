/**
 * A stream is folded twice: by the actor's machine, which decides by what it knows, and by the read model, which people
 * and starting nodes see. Over whatever legal history, the two tell the same story; and the table says what the fold says.
 */
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evolutionOf } from '../../src/actors/evolve.ts'
import {
  isEnded,
  type SessionContext,
  type State,
  sessionKind,
  type TaskContext,
  taskKind,
} from '../../src/actors/index.ts'
import type { Fact, Recorded } from '../../src/actors/kind.ts'
import {
  type JsonObject,
  type Position,
  type RecordedEvent,
  type StreamKind,
  streamName,
} from '../../src/events/index.ts'
import {
  foldJob,
  type ItemView,
  type JobRecord,
  openReadCore,
  type SessionHead,
  sessionStep,
} from '../../src/projections/index.ts'
import { LONG, run, sessionCommands, taskHistory } from '../actors/legal.ts'
import { APP, iso } from './support.ts'

/** A fact of the actor `k` as the log has it. */
function eventOf(kind: StreamKind, { type, data, id, at, by, revision }: Recorded<Fact>): RecordedEvent {
  return {
    id,
    type,
    data: JSON.parse(JSON.stringify(data)) as JsonObject,
    metadata: { at: iso(at), by, correlationId: id, causationId: id, v: 1 },
    stream: streamName(APP, kind, 'k'),
    revision: BigInt(revision),
    position: BigInt(revision) as Position,
    recordedAt: at,
  }
}

function readCore() {
  return openReadCore({ db: new DatabaseSync(':memory:'), app: APP })
}

describe('a task and its job', () => {
  /** What both know of the task. */
  function known({ value, context }: State<TaskContext>) {
    const { submission, claim } = context
    const running = value === 'running'
    return {
      status: value,
      name: submission?.name,
      params: submission?.params,
      ownerId: submission?.ownerId,
      retries: submission?.retries,
      priority: submission?.priority,
      run: context.run,
      attempt: context.attempt,
      crashes: context.crashes,
      runAt: context.runAt,
      claim: claim?.id,
      node: claim?.node,
      deadline: claim?.deadline,
      startedAt: claim?.startedAt,
      cancelRequestedBy: running ? context.cancelRequested?.by : undefined,
      result: context.result ?? null,
      error: isEnded(value) ? context.error : undefined,
      hidden: context.deleted,
    }
  }

  /** The same in the words of a job, which remembers its last attempt and why it waits again. */
  function shown(job: JobRecord): ReturnType<typeof known> {
    const running = job.status === 'running'
    const { status, name, params, ownerId, retries, priority, run, attempt, crashes, runAt, deadline, result, hidden } =
      job
    return {
      ...{ status, name, params, ownerId, retries, priority, run, attempt, crashes, runAt, deadline, result, hidden },
      claim: running ? job.claim : undefined,
      node: running ? job.node : undefined,
      startedAt: running ? job.startedAt : undefined,
      cancelRequestedBy: running && job.cancelRequested ? job.cancelledBy : undefined,
      error: isEnded(status) ? job.error : undefined,
    }
  }

  test('agree after each fact', () => {
    const { initial, next } = evolutionOf(taskKind)
    fc.assert(
      fc.property(taskHistory, (asked) => {
        let state = initial
        let job: JobRecord | undefined
        const core = readCore()
        for (const fact of run(taskKind, asked).flatMap(({ facts }) => facts)) {
          state = next(state, fact) ?? state
          const event = eventOf('task', fact)
          job = foldJob(job, 'k', event)
          if (job === undefined) throw new Error('A task without a job')
          expect(shown(job)).toEqual(known(state))
          // The attempt that ended the run used up no retry.
          const last = isEnded(state.value) && job.failures > state.context.failures ? 1 : 0
          expect(job.failures).toBe(state.context.failures + last)
          core.apply([event])
          const { hidden, expiresAt: _, ...view } = job
          expect(core.ask('job', 'k')).toEqual(hidden ? undefined : view)
        }
      }),
    )
  })
})

describe('a conversation and its view', () => {
  const history = fc.array(sessionCommands, LONG)

  /** The transcript's items by name, as a step finds and leaves them. */
  class Transcript {
    head: SessionHead | undefined
    readonly items = new Map<string, ItemView>()

    take(event: RecordedEvent): void {
      const step = sessionStep(this.head, 'k', event, (key) => this.items.get(key))
      this.head = step?.head
      for (const { key, item } of step?.items ?? []) this.items.set(key, item)
    }

    messages(...states: readonly string[]): string[] {
      const found = [...this.items.values()].filter((item) => item.kind === 'message' && states.includes(item.state))
      return found.map(({ id }) => id).sort()
    }
  }

  function known({ value, context }: State<SessionContext>) {
    return {
      ownerId: context.ownerId,
      title: context.title,
      data: context.data,
      turn: context.turn?.id,
      queue: context.queue.map(({ messageId }) => messageId),
      ended: value === 'ended',
    }
  }

  function shown({ ownerId, title, data, turn, queue, ended }: SessionHead): ReturnType<typeof known> {
    return { ownerId, title, data, turn: turn?.id, queue: queue.map(({ messageId }) => messageId), ended }
  }

  test('agree after each fact', () => {
    const { initial, next } = evolutionOf(sessionKind)
    fc.assert(
      fc.property(history, fc.boolean(), (asked, end) => {
        let state = initial
        const transcript = new Transcript()
        const core = readCore()
        const facts = run(sessionKind, asked).flatMap(({ facts }) => facts)
        const last = facts.at(-1)
        const ended = last && { ...last, type: 'SessionEnded', data: {}, id: 'end', revision: last.revision + 1 }
        for (const fact of end && ended ? [...facts, ended] : facts) {
          state = next(state, fact) ?? state
          const event = eventOf('session', fact)
          transcript.take(event)
          const { head } = transcript
          if (head === undefined) throw new Error('A conversation without a view')
          expect(shown(head)).toEqual(known(state))
          core.apply([event])
          const found = core.ask('transcript', 'k')
          expect(found?.items).toEqual([...transcript.items.values()].sort((a, b) => a.index - b.index))
          const { id, updatedAt, opening, preview, position } = head
          expect(found?.session).toMatchObject({ id, updatedAt, opening, preview, position, title: head.title })
        }
      }),
    )
  })

  test('show as queued, running or to be tried again what the actor takes so', () => {
    const { initial, next } = evolutionOf(sessionKind)
    fc.assert(
      fc.property(history, (asked) => {
        let state = initial
        const transcript = new Transcript()
        for (const fact of run(sessionKind, asked).flatMap(({ facts }) => facts)) {
          state = next(state, fact) ?? state
          transcript.take(eventOf('session', fact))
        }
        for (const messageId of transcript.messages('failed', 'interrupted', 'stopped')) {
          const retry = { type: 'retry', messageId, newMessageId: 'new' } as const
          const decision = sessionKind.decide(retry, state, { key: 'k', now: 0, by: 'system', newId: () => 'id' })
          expect(decision.facts).toHaveLength(1)
        }
      }),
    )
  })
})
