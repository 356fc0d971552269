/** Who runs what, by the log: so that the work of a node that died is found at once. */
import { ATTEMPT_END_EVENTS, type RecordedEvent } from '../events/index.ts'

export interface Holding {
  readonly kind: 'task' | 'session'
  readonly key: string
  /** Of the attempt, or of the turn. */
  readonly claim: string
}

const STARTS = new Set(['TaskStarted', 'TurnStarted'])
const ENDS = new Set([...ATTEMPT_END_EVENTS, 'TurnCompleted', 'TurnFailed', 'TurnInterrupted', 'TurnStopped'])

export class Holdings {
  readonly #byKey = new Map<string, Holding & { readonly node: string }>()

  /** @returns the node that has just taken something up, if one has */
  follow(kind: Holding['kind'], key: string, event: RecordedEvent): string | undefined {
    if (STARTS.has(event.type)) {
      const node = String(event.data.node)
      this.add(node, { kind, key, claim: event.id })
      return node
    }
    if (ENDS.has(event.type)) this.#byKey.delete(`${kind} ${key}`)
    return undefined
  }

  add(node: string, holding: Holding): void {
    this.#byKey.set(`${holding.kind} ${holding.key}`, { ...holding, node })
  }

  of(node: string): readonly Holding[] {
    return [...this.#byKey.values()].filter((holding) => holding.node === node)
  }

  /** Whether it is held by this very claim still. */
  has({ kind, key, claim }: Holding): boolean {
    return this.#byKey.get(`${kind} ${key}`)?.claim === claim
  }
}
