/** Given facts, when a command, then facts or a refusal: what deciders promise, in sentences. */
import { expect } from 'vitest'
import { createActor } from 'xstate'
import type { ActorKind, State } from '../../src/actors/index.ts'
import type { Applied, Decision, Fact } from '../../src/actors/kind.ts'
import type { Actor, Submission } from '../../src/events/index.ts'

export const T0 = Date.parse('2026-03-01T12:00:00.000Z')

/** The key of the actor that decides. */
const KEY = 'the-one'

/** The instant so many milliseconds after T0. */
export const at = (ms: number): string => new Date(T0 + ms).toISOString()

/** A fact, and what the log says beside it: the id is a claim's name, `at` is milliseconds after T0. */
export type Past<F extends Fact> = F & {
  readonly id?: string | undefined
  readonly by?: Actor
  readonly at?: number
  readonly commandId?: string
}

type ErrorClass = new (...args: never[]) => Error

/** An XState actor of the kind that has applied the facts. @throws Error naming the first fact that the machine refuses */
export function replayed<F extends Fact, Command, Context extends Applied>(
  kind: ActorKind<Command, Context>,
  facts: readonly Past<F>[],
): State<Context> {
  const actor = createActor(kind.machine).start()
  facts.forEach((fact, revision) => {
    actor.send({
      type: fact.type,
      data: fact.data,
      id: fact.id ?? `f${revision}`,
      by: fact.by ?? 'system',
      at: T0 + (fact.at ?? 0),
      commandId: fact.commandId,
      revision,
    })
    const { value, context } = actor.getSnapshot()
    if ((context as Applied).revision !== revision) {
      throw new Error(`The machine refuses ${fact.type} (${JSON.stringify(fact.data)}) in state ${String(value)}`)
    }
  })
  const { value, context } = actor.getSnapshot()
  return { value: String(value), context: context as Context }
}

export function spec<F extends Fact, Command, Context extends Applied>(kind: ActorKind<Command, Context>) {
  const given = (...facts: readonly Past<F>[]) => {
    const state = replayed(kind, facts)
    const when = (command: Command, context: { readonly now?: number; readonly by?: Actor } = {}) => {
      let ids = 0
      const decision = kind.decide(command, state, {
        key: KEY,
        now: T0 + (context.now ?? 0),
        by: context.by ?? 'system',
        newId: () => `new${ids++}`,
      }) as Decision<F>
      const after = () => replayed<F, Command, Context>(kind, [...facts, ...decision.facts])
      return {
        /** Exactly these facts, which the machine then accepts. @returns the state after them */
        records(...expected: readonly F[]): State<Context> {
          expect(decision.refusal).toBeUndefined()
          expect(decision.facts.map(({ type, data }) => ({ type, data }))).toEqual(
            expected.map(({ type, data }) => ({ type, data })),
          )
          return after()
        },
        /** Exactly one fact of this type. */
        recordsA(type: F['type']): State<Context> {
          expect(decision.refusal).toBeUndefined()
          expect(decision.facts.map((fact) => fact.type)).toEqual([type])
          return after()
        },
        /** Exactly one fact. */
        recordsOne(): State<Context> {
          expect(decision.refusal).toBeUndefined()
          expect(decision.facts).toHaveLength(1)
          return after()
        },
        nothing(): void {
          expect(decision).toEqual({ facts: [] })
        },
        /** Refused with this error, whose message matches; what is recorded about it is `facts`. */
        refused(error: ErrorClass, message: RegExp, ...facts: readonly F[]): void {
          expect(decision.refusal).toBeInstanceOf(error)
          expect(decision.refusal?.message).toMatch(message)
          expect(decision.facts).toEqual(facts)
          after()
        },
      }
    }
    return { state, when }
  }
  return { given }
}

export function submission(changes: Partial<Submission> = {}): Submission {
  return {
    name: 'build_report',
    params: { report_id: 'daily' },
    ownerId: 'ada',
    priority: 0,
    tags: [],
    retries: 0,
    backoff: { base: 1000, factor: 2, max: 300_000 },
    graceMs: 5000,
    ...changes,
  }
}
