/** Random legal histories: whatever is asked of an actor in whatever order, its promises hold. */
import { deserialize, serialize } from 'node:v8'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createActor } from 'xstate'
import { evolutionOf } from '../../src/actors/evolve.ts'
import {
  type ActorKind,
  type AuditCommand,
  auditKind,
  isEnded,
  type LimitCommand,
  type LockCommand,
  limitKind,
  lockKind,
  type ScheduleCommand,
  type SettingCommand,
  type State,
  scheduleKind,
  sessionKind,
  settingKind,
  taskKind,
} from '../../src/actors/index.ts'
import type { Applied } from '../../src/actors/kind.ts'
import { catalogue, type StreamKind } from '../../src/events/index.ts'
import { at, T0 } from './given.ts'
import { type Asked, LONG, run, type Step, sessionCommands, taskHistory } from './legal.ts'

const lockCommands = fc
  .tuple(
    fc.constantFrom('t1', 't2', 't3', 't4'),
    fc.constantFrom('acquire', 'acquire', 'release'),
    fc.constantFrom('join' as const, 'queue' as const, 'reject' as const, 'replace' as const),
    fc.constantFrom('ada', 'bob'),
    fc.constantFrom(1, 1, 2),
  )
  .map(
    ([taskId, type, onLocked, ownerId, ofRun]): Asked<LockCommand, unknown> =>
      () =>
        type === 'acquire'
          ? { type, key: 'k', taskId, name: 'n', ownerId, onLocked, run: ofRun }
          : { type: 'release', taskId, reason: 'r', run: ofRun },
  )

const scheduleCommands = fc
  .tuple(
    fc.nat(20),
    fc.constantFrom('register', 'tick', 'tick', 'miss', 'trigger', 'finish', 'finish', 'pause', 'resume', 'remove'),
    fc.constantFrom('skip' as const, 'queue' as const),
  )
  .map(
    ([n, type, overlap]): Asked<ScheduleCommand, { running: readonly { taskId: string }[] }> =>
      ({ context }) => {
        const due = at(n * 60_000)
        switch (type) {
          case 'register':
            return { type, name: 's', definition: { cron: '* * * * *', timezone: 'UTC', overlap, missed: 'latest' } }
          case 'tick':
            return { type, name: 's', due, trigger: 'cron' }
          case 'miss':
            return { type, due }
          case 'trigger':
            return { type, name: 's' }
          case 'finish':
            return { type, due, taskId: context.running[0]?.taskId ?? 'none', status: 'completed' }
          case 'pause':
            return { type }
          case 'resume':
            return { type }
          default:
            return { type: 'remove' }
        }
      },
  )

const permits = fc.array(
  fc.record({ taskId: fc.constantFrom('t1', 't2', 't3'), claim: fc.constantFrom('c1', 'c2', 'c3', 'c4') }),
  { maxLength: 3 },
)

const limitCommands = fc
  .tuple(permits, permits, fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }), fc.boolean())
  .map(
    ([wants, returned, concurrency, rated]): Asked<LimitCommand, unknown> =>
      () => ({
        type: 'adjust',
        wants: wants.filter(({ claim }, index) => wants.findIndex((other) => other.claim === claim) === index),
        returns: returned.map((permit) => ({ ...permit, reason: 'ended' })),
        rules: { concurrency, ...(rated ? { rate: { limit: 2, perMs: 5000 } } : {}) },
      }),
  )

const settingCommands = fc.tuple(fc.constantFrom('paused', 'title'), fc.constantFrom(true, false, 'x', 7)).map(
  ([key, value]): Asked<SettingCommand, unknown> =>
    () => ({ type: 'set', key, value }),
)

const HASH = 'a'.repeat(64)

const auditCommands = fc
  .uniqueArray(fc.tuple(fc.constantFrom('t1', 't2', 't3'), fc.nat(3)), { selector: ([task]) => task })
  .map(
    (streams): Asked<AuditCommand, unknown> =>
      () => ({
        type: 'retire',
        streams: streams.map(([task, lastRevision]) => ({
          stream: `demo.task-${task}`,
          lastRevision,
          lastHash: HASH,
          events: lastRevision + 1,
          archive: { file: 'demo.jsonl', offset: 0, bytes: 1, sha256: HASH },
        })),
      }),
  )

const historyOf = <T>(command: fc.Arbitrary<T>) => fc.array(command, LONG)

function holdsForAll<Command, Context extends Applied>(
  kind: ActorKind<Command, Context>,
  history: fc.Arbitrary<readonly Asked<Command, Context>[]>,
  check: (steps: readonly Step<Command, Context>[]) => void,
): void {
  fc.assert(fc.property(history, (asked) => check(run(kind, asked))))
}

const factsOf = <Command, Context>(steps: readonly Step<Command, Context>[]) => steps.flatMap(({ facts }) => facts)

/** Promises that every kind makes. */
function promises<Command, Context extends Applied>(
  kind: ActorKind<Command, Context>,
  history: fc.Arbitrary<readonly Asked<Command, Context>[]>,
): void {
  test('a real XState actor replays the recorded facts to the same state', () => {
    holdsForAll(kind, history, (steps) => {
      const actor = createActor(kind.machine).start()
      for (const fact of factsOf(steps)) actor.send(fact)
      const { value, context } = actor.getSnapshot()
      const last = steps.at(-1)?.after ?? evolutionOf(kind).initial
      expect({ value: String(value), context }).toEqual(last)
    })
  })

  test('a snapshot at any place and the facts after it lead to the same state as all of them', () => {
    const { initial, next } = evolutionOf(kind)
    holdsForAll(kind, history, (steps) => {
      const facts = factsOf(steps)
      const whole = steps.at(-1)?.after ?? initial
      let state = initial
      for (let cut = 0; cut <= facts.length; cut++) {
        const kept = deserialize(serialize(state)) as State<Context>
        expect(kept).toStrictEqual(state)
        expect(facts.slice(cut).reduce((at, fact) => next(at, fact) ?? at, kept)).toStrictEqual(whole)
        const fact = facts[cut]
        if (fact) state = next(state, fact) ?? state
      }
    })
  })

  test('decided facts fit the schemas of the catalogue', () => {
    holdsForAll(kind, history, (steps) => {
      for (const { type, data } of factsOf(steps)) expect(catalogue[kind.kind]?.[type]?.data.parse(data)).toEqual(data)
    })
  })

  test('a fact that the machine does not accept changes nothing, for XState as for the compiled machine', () => {
    const types = Object.keys(catalogue[kind.kind as StreamKind] ?? {})
    fc.assert(
      fc.property(history, fc.constantFrom(...types), (asked, type) => {
        const steps = run(kind, asked)
        const actor = createActor(kind.machine).start()
        for (const fact of factsOf(steps)) actor.send(fact)
        const before = actor.getSnapshot()
        const revision = (before.context as Applied).revision + 1
        const fact = { type, data: {}, id: 'x', revision, at: T0, by: 'system', commandId: undefined } as const
        const accepted = before.can(fact)
        const state = { value: String(before.value), context: before.context as Context }
        expect(evolutionOf(kind).next(state, fact) !== undefined).toBe(accepted)
        if (accepted) return
        actor.send(fact)
        expect(actor.getSnapshot().value).toEqual(before.value)
        expect(actor.getSnapshot().context).toBe(before.context)
      }),
    )
  })
}

describe('tasks', () => {
  promises(taskKind, taskHistory)

  // A promise: see docs/promises.md.
  test('a run ends once, and what has ended changes only by a requeue', () => {
    holdsForAll(taskKind, taskHistory, (steps) => {
      for (const { before, after, facts } of steps) {
        if (!isEnded(before.value)) continue
        if (facts.some(({ type }) => type === 'TaskRequeued')) expect(after.value).toBe('pending')
        else expect(after.value).toBe(before.value)
      }
      let ended = 0
      for (const { type } of factsOf(steps)) {
        if (type === 'TaskRequeued') ended = 0
        if (['TaskCompleted', 'TaskFailed', 'TaskTimedOut', 'TaskCancelled'].includes(type)) expect(++ended).toBe(1)
      }
    })
  })

  test('at most one attempt holds a claim, and what it records carries that claim', () => {
    holdsForAll(taskKind, taskHistory, (steps) => {
      let claim: string | undefined
      for (const { type, id, data } of factsOf(steps)) {
        if (type === 'TaskStarted') {
          expect(claim).toBeUndefined()
          claim = id
        } else if (type !== 'TaskWriteRefused' && 'claim' in data) {
          expect(data.claim).toBe(claim)
        }
        if (
          [
            'TaskCompleted',
            'TaskFailed',
            'TaskTimedOut',
            'TaskCancelled',
            'TaskRetryScheduled',
            'TaskInterrupted',
          ].includes(type)
        ) {
          claim = undefined
        }
      }
    })
  })

  test('a run uses up no more retries than it has', () => {
    holdsForAll(taskKind, taskHistory, (steps) => {
      for (const { after } of steps) {
        expect(after.context.failures).toBeLessThanOrEqual(after.context.submission?.retries ?? 0)
      }
    })
  })

  test('after a request to cancel, a run ends as completed or cancelled', () => {
    holdsForAll(taskKind, taskHistory, (steps) => {
      for (const { before, after } of steps) {
        if (before.context.cancelRequested) expect(['running', 'completed', 'cancelled']).toContain(after.value)
      }
    })
  })

  test('a start before its time is never recorded', () => {
    holdsForAll(taskKind, taskHistory, (steps) => {
      for (const { before, facts } of steps) {
        const start = facts.find(({ type }) => type === 'TaskStarted')
        if (start && before.context.runAt !== undefined) expect(start.at).toBeGreaterThanOrEqual(before.context.runAt)
      }
    })
  })
})

describe('locks', () => {
  promises(lockKind, historyOf(lockCommands))

  test('nobody waits for a free lock, and nobody is in line twice', () => {
    holdsForAll(lockKind, historyOf(lockCommands), (steps) => {
      for (const { after } of steps) {
        const { holder, queue } = after.context
        if (!holder) expect(queue).toEqual([])
        const ids = [holder, ...queue].flatMap((party) => party?.taskId ?? [])
        expect(new Set(ids).size).toBe(ids.length)
      }
    })
  })

  test('each holder has a higher fencing token than the one before', () => {
    holdsForAll(lockKind, historyOf(lockCommands), (steps) => {
      let last = -1
      let holder: string | undefined
      for (const { after } of steps) {
        const current = after.context.holder
        if (current && (current.taskId !== holder || current.revision !== last)) {
          expect(current.revision).toBeGreaterThan(last)
          last = current.revision
        }
        holder = current?.taskId
      }
    })
  })
})

describe('schedules', () => {
  promises(scheduleKind, historyOf(scheduleCommands))

  test('each due time is decided once, in order', () => {
    holdsForAll(scheduleKind, historyOf(scheduleCommands), (steps) => {
      const decided = factsOf(steps).flatMap(({ type, data }) => {
        const { due, trigger } = data as { due?: string; trigger?: string }
        return (type === 'OccurrenceDue' && trigger !== 'manual') || type === 'OccurrenceSkipped' ? [String(due)] : []
      })
      expect(decided).toEqual([...new Set(decided)].sort())
    })
  })

  test("with overlap 'skip' the cron starts nothing while an occurrence runs", () => {
    holdsForAll(scheduleKind, historyOf(scheduleCommands), (steps) => {
      for (const { before, facts, command } of steps) {
        if (command.type !== 'tick' || before.context.definition?.overlap !== 'skip') continue
        if (before.context.running.length > 0) expect(facts.map(({ type }) => type)).not.toContain('OccurrenceDue')
      }
    })
  })
})

describe('limits', () => {
  promises(limitKind, historyOf(limitCommands))

  test('never more permits out than allowed, nor more taken in a window than its rate', () => {
    holdsForAll(limitKind, historyOf(limitCommands), (steps) => {
      for (const { command, after, facts } of steps) {
        const { concurrency = Number.POSITIVE_INFINITY } = command.rules
        const granted = facts.filter(({ type }) => type === 'PermitTaken')
        if (granted.length > 0) expect(after.context.permits.length).toBeLessThanOrEqual(concurrency)
        expect(granted.length).toBeLessThanOrEqual(command.rules.rate?.limit ?? Number.POSITIVE_INFINITY)
      }
    })
  })
})

describe('settings', () => {
  promises(settingKind, historyOf(settingCommands))

  test('the last value set stands, and setting it again records nothing', () => {
    holdsForAll(settingKind, historyOf(settingCommands), (steps) => {
      const values = new Map<string, unknown>()
      for (const { command, after, facts } of steps) {
        expect(facts).toHaveLength(values.get(command.key) === command.value ? 0 : 1)
        values.set(command.key, command.value)
        expect(after.context.values).toEqual(Object.fromEntries(values))
      }
    })
  })
})

describe('sessions', () => {
  promises(sessionKind, historyOf(sessionCommands))

  test('one turn at a time, in the order of the messages, each message once', () => {
    holdsForAll(sessionKind, historyOf(sessionCommands), (steps) => {
      const received: string[] = []
      const answered: string[] = []
      let turn: string | undefined
      for (const { type, data } of factsOf(steps)) {
        const { messageId, turn: id } = data as { messageId: string; turn?: string }
        if (type === 'MessageReceived') received.push(messageId)
        if (type === 'TurnStarted') {
          expect(turn).toBeUndefined()
          turn = id
          answered.push(messageId)
        }
        if (type.startsWith('Turn') && type !== 'TurnStarted') turn = undefined
      }
      expect(answered).toEqual(received.slice(0, answered.length))
    })
  })

  test('what was said once with an id is not said again', () => {
    holdsForAll(sessionKind, historyOf(sessionCommands), (steps) => {
      const said = factsOf(steps).flatMap(({ type, data }) =>
        type === 'Replied' ? [(data as { replyId: string }).replyId] : [],
      )
      expect(new Set(said).size).toBe(said.length)
    })
  })
})

describe('the audit', () => {
  promises(auditKind, historyOf(auditCommands))

  test('a stream is retired again only with more events than before', () => {
    holdsForAll(auditKind, historyOf(auditCommands), (steps) => {
      const last = new Map<string, number>()
      for (const { data } of factsOf(steps) as unknown as { data: { stream: string; lastRevision: number } }[]) {
        expect(data.lastRevision).toBeGreaterThan(last.get(data.stream) ?? -1)
        last.set(data.stream, data.lastRevision)
      }
    })
  })
})
