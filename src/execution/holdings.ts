/** Who runs what, by the log: so that the work of a node that died is found at once. */
import { ATTEMPT_END_EVENTS, type RecordedEvent, type SessionFact, type TaskFact } from '../events/index.ts'

/** Something that runs, and the node that runs it. */
export interface Holding {
  readonly kind: 'task' | 'session'
  readonly key: string
  readonly node: string
  /** Of the attempt, or of the turn. */
  readonly claim: string
}

type EventType = (TaskFact | SessionFact)['type']

const STARTS = eventTypes('TaskStarted', 'TurnStarted')
const TURN_ENDS = eventTypes('TurnCompleted', 'TurnFailed', 'TurnInterrupted', 'TurnStopped')
const ENDS = ATTEMPT_END_EVENTS.union(TURN_ENDS)

export class Holdings {
  readonly #byKey = new Map<string, Holding>()

  /** @returns the node that has just taken something up, if one has */
  follow(kind: Holding['kind'], key: string, event: RecordedEvent): string | undefined {
    if (STARTS.has(event.type)) {
      const node = String(event.data.node)
      this.add({ kind, key, node, claim: event.id })
      return node
    }
    if (ENDS.has(event.type)) this.#byKey.delete(`${kind} ${key}`)
    return undefined
  }

  add(holding: Holding): void {
    this.#byKey.set(`${holding.kind} ${holding.key}`, holding)
  }

  of(node: string): readonly Holding[] {
    return [...this.#byKey.values()].filter((holding) => holding.node === node)
  }

  /** Whether it is held by this very claim still. */
  has({ kind, key, claim }: Holding): boolean {
    return this.#byKey.get(`${kind} ${key}`)?.claim === claim
  }
}

function eventTypes(...types: readonly EventType[]): ReadonlySet<string> {
  return new Set(types)
}
