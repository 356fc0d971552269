/**
 * What makes an actor of a kind: a machine that applies facts (evolve) and a pure function that turns a command into
 * facts (decide). The system (system.ts) does the rest.
 */
import type { AnyStateMachine } from 'xstate'
import type { Actor, StreamKind } from '../events/index.ts'
import type { RefusedWith } from './refusal.ts'

/** A fact as a catalogue file describes it. */
export interface Fact {
  readonly type: string
  readonly data: object
}

/** A recorded fact as a machine receives it. */
export type Recorded<F extends Fact> = F & {
  readonly id: string
  readonly revision: number
  /** Milliseconds since the epoch, by the appender's clock. */
  readonly at: number
  readonly by: Actor
  readonly commandId: string | undefined
}

/** What every machine's context holds, so that the system can tell whether a fact was applied and a command repeated. */
export interface Applied {
  /** Revision of the last fact applied; -1 before the first. */
  readonly revision: number
  /** Ids that clients gave their commands, latest last. */
  readonly commandIds: readonly string[]
}

export const NOTHING_APPLIED: Applied = { revision: -1, commandIds: [] }

/** Clients repeat a command within minutes; so many of an actor's latest ids are remembered. */
const REMEMBERED_COMMANDS = 256

/** The members of {@link Applied} after `fact`. */
export function applied(context: Applied, fact: Recorded<Fact>): Applied {
  const { commandId } = fact
  return {
    revision: fact.revision,
    commandIds:
      commandId === undefined || context.commandIds.includes(commandId)
        ? context.commandIds
        : [...context.commandIds.slice(1 - REMEMBERED_COMMANDS), commandId],
  }
}

/** What a decision may look at besides the state: nothing else, so that it is a pure function. */
export interface DecideContext {
  /** Of the actor among those of its kind: a task's id, a schedule's name. */
  readonly key: string
  /** Milliseconds since the epoch, by the injected clock. */
  readonly now: number
  readonly by: Actor
  /** A fresh id (UUIDv7). */
  newId(): string
}

/** Facts to record, in one append. With a refusal the facts are recorded and the command still fails. */
export interface Decision<F extends Fact> {
  /**
   * `by` only where it is not the command's: a node that claims what a user submits. `id` only where it was announced
   * before: a claim that has a permit.
   */
  readonly facts: readonly (F & { readonly by?: Actor; readonly id?: string | undefined })[]
  readonly refusal?: RefusedWith
}

export interface State<Context> {
  readonly value: string
  readonly context: Context
}

export interface ActorKind<Command, Context extends Applied> {
  readonly kind: StreamKind
  /**
   * Of the machine and `evolve`. Raise it when the same facts lead to another state, or a state has another shape:
   * snapshots that the code before took are then not used (test/actors/machine-versions.test.ts tells when).
   */
  readonly version: number
  /** Which fact may follow which: flat, and with no action but `apply`, which is `evolve` (see evolve.ts). */
  readonly machine: AnyStateMachine
  /** What is known after a fact that the machine accepted. */
  evolve(context: Context, fact: Recorded<Fact>): Context
  decide(command: Command, state: State<Context>, context: DecideContext): Decision<Fact>
  /**
   * Whether a command leads to such a fact: how the repeat of a client's command is told from another one with the same
   * id. Absent where clients give no ids.
   */
  leadsTo?(command: Command, fact: Fact): boolean
}

export const nothing = { facts: [] } as const satisfies Decision<never>

export function refuse(refusal: RefusedWith): Decision<never> {
  return { facts: [], refusal }
}
