/** Checks a log against its hash chain (hash.ts): which event is the first that cannot be as it was appended. */
import type { RecordedEvent, Revision } from './event.ts'
import { expectedHash, GENESIS } from './hash.ts'

/**
 * `missing`: the revision named is not there. `reordered`: it is there, in another place. `altered`: the event's hash does
 * not fit its content or its predecessor. `unsealed`: it has no hash.
 */
export type ChainFault = 'missing' | 'reordered' | 'altered' | 'unsealed'

export interface ChainBreak {
  readonly ok: false
  readonly stream: string
  readonly revision: Revision
  readonly reason: ChainFault
}

export type ChainVerdict = { readonly ok: true } | ChainBreak

/** Nodes' announcements are capped, so they have no chain (events.md). */
const UNCHAINED = /^[^.]*\.node-/

/**
 * Verifies a log piece by piece. Each stream must come from its first event on, in order; streams may be mixed. It keeps
 * one hash a stream. What was cut off at the end of a stream shows only against a checkpoint of its last hash.
 */
export class ChainVerifier {
  readonly #streams = new Map<string, { next: Revision; hash: string }>()

  check(event: RecordedEvent): ChainVerdict {
    const { stream, revision } = event
    if (UNCHAINED.test(stream)) return { ok: true }
    const { next, hash: previous } = this.#streams.get(stream) ?? { next: 0n, hash: GENESIS }
    if (revision > next) return { ok: false, stream, revision: next, reason: 'missing' }
    if (revision < next) return { ok: false, stream, revision, reason: 'reordered' }
    const { hash } = event.metadata
    if (hash === undefined) return { ok: false, stream, revision, reason: 'unsealed' }
    if (hash !== expectedHash(previous, event)) return { ok: false, stream, revision, reason: 'altered' }
    this.#streams.set(stream, { next: next + 1n, hash })
    return { ok: true }
  }

  /** How many streams were seen. */
  get streams(): number {
    return this.#streams.size
  }

  /** The hash of the last event seen of a stream. */
  lastHash(stream: string): string | undefined {
    return this.#streams.get(stream)?.hash
  }
}

/** Verifies whole streams, each from its first event on, in the order given; names the first break. */
export function verifyChain(events: readonly RecordedEvent[]): ChainVerdict {
  const verifier = new ChainVerifier()
  for (const event of events) {
    const verdict = verifier.check(event)
    if (verdict.ok) continue
    const { stream, revision, reason } = verdict
    const elsewhere = events.some((other) => other.stream === stream && other.revision === revision)
    return reason === 'missing' && elsewhere ? { ...verdict, reason: 'reordered' } : verdict
  }
  return { ok: true }
}
