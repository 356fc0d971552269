/** What comes with a command, and what comes back. */
import type { Actor, EventData, Position } from '../events/index.ts'
import type { State } from './kind.ts'

/** Where a command comes from. */
export interface Origin {
  readonly by: Actor
  /** The id a client gave it; recorded, so that a repeat is recognised. */
  readonly commandId?: string | undefined
  /** The first cause. Default: the command itself. */
  readonly correlationId?: string | undefined
  /** What led here. Default: the command itself. */
  readonly causationId?: string | undefined
  readonly traceparent?: string | undefined
  /** The stream is new: spare the look. Harmless when wrong. */
  readonly fresh?: boolean
  /**
   * Ends a run, or claims one: bypasses a full mailbox, and is retried until the store answers, since half the world
   * hangs on it. Others give up after `patienceMs`.
   */
  readonly mustLand?: boolean
}

export type AppliedFact = Pick<EventData, 'id' | 'type' | 'data' | 'metadata'>

export interface Outcome<Context> {
  readonly state: State<Context>
  /** What this command added; none if it changed nothing. */
  readonly facts: readonly AppliedFact[]
  /** Of a client's command that is repeated: what it was recorded as, where its kind tells it from others. */
  readonly repeated?: AppliedFact | undefined
  /** Of the actor's last event that this node knows, START if it has none. */
  readonly position: Position
}
