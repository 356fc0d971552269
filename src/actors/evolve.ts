/**
 * Applies facts by a machine's transitions, without an XState actor for each entity.
 *
 * XState allocates some 20 kB for every transition it takes (snapshot, microsteps, scopes), most of what a task costs
 * in all. Our machines are flat: one state at a time, one action, at most a guard. So their transitions are read off
 * the machine once, as a table; the machine stays the only definition, a test holds the two together on random
 * histories, and with `inspect` real actors run beside (system.ts). See docs/decisions.
 */
import { type AnyStateMachine, initialTransition } from 'xstate'
import type { EventData } from '../events/index.ts'
import type { ActorKind, Applied, Fact, Recorded, State } from './kind.ts'

export interface Evolution<Context> {
  readonly initial: State<Context>
  /** The state after the fact; undefined if the machine does not accept it. */
  next(state: State<Context>, fact: Recorded<Fact>): State<Context> | undefined
}

interface Step<Context> {
  /** Undefined: the state stays. */
  readonly target: string | undefined
  readonly accepts: ((context: Context, fact: Recorded<Fact>) => boolean) | undefined
}

const compiled = new WeakMap<AnyStateMachine, unknown>()

/** @throws TypeError for a machine that is not flat, or does more than `apply` */
export function evolutionOf<Command, Context extends Applied>(kind: ActorKind<Command, Context>): Evolution<Context> {
  const known = compiled.get(kind.machine)
  if (known) return known as Evolution<Context>
  const evolution = compile(kind)
  compiled.set(kind.machine, evolution)
  return evolution
}

function compile<Command, Context extends Applied>({
  machine,
  evolve,
}: ActorKind<Command, Context>): Evolution<Context> {
  const everywhere = stepsOf<Context>(machine, machine.root)
  const steps = new Map<string, ReadonlyMap<string, readonly Step<Context>[]>>()
  for (const [value, node] of Object.entries(machine.states)) {
    if (node.type !== 'atomic')
      throw new TypeError(`${machine.id}.${value} is ${node.type}: only flat machines can be compiled.`)
    steps.set(value, new Map([...everywhere, ...stepsOf<Context>(machine, node)]))
  }
  const [first] = initialTransition(machine)
  return {
    initial: { value: String(first.value), context: first.context as Context },
    next(state, fact) {
      const step = steps
        .get(state.value)
        ?.get(fact.type)
        ?.find(({ accepts }) => accepts === undefined || accepts(state.context, fact))
      return step && { value: step.target ?? state.value, context: evolve(state.context, fact) }
    },
  }
}

function stepsOf<Context>(
  machine: AnyStateMachine,
  node: AnyStateMachine['root'],
): Map<string, readonly Step<Context>[]> {
  const steps = new Map<string, readonly Step<Context>[]>()
  for (const [type, transitions] of Object.entries(node.on)) {
    steps.set(
      type,
      transitions.map(({ target, actions, guard }) => {
        if (actions.length !== 1 || actions[0] !== 'apply') {
          throw new TypeError(`${machine.id}: ${type} does something else than apply: it cannot be compiled.`)
        }
        if (guard !== undefined && typeof guard !== 'function') {
          throw new TypeError(`${machine.id}: the guard of ${type} is not a function in place: it cannot be compiled.`)
        }
        return {
          target: target?.[0]?.key,
          accepts: guard && ((context, fact) => (guard as unknown as Guard)({ context, event: fact })),
        }
      }),
    )
  }
  return steps
}

type Guard = (args: { readonly context: unknown; readonly event: unknown }) => boolean

/** An event as a machine receives it. `at` in milliseconds; default: as its metadata says. */
export function recordedFact(
  { id, type, data, metadata }: Pick<EventData, 'id' | 'type' | 'data' | 'metadata'>,
  revision: number,
  at: number = Date.parse(metadata.at),
): Recorded<Fact> {
  return { id, type, data, revision, at, by: metadata.by, commandId: metadata.commandId }
}
