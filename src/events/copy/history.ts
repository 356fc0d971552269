/**
 * The history of an app as a copy must have it: every event of its streams in the order of the log. Signs of life of nodes
 * are no history, and streams that were retired are not there any more.
 */
import { type Position, type RecordedEvent, START } from '../event.ts'
import type { EventStore } from '../store.ts'
import { streamPrefix } from '../streams.ts'
import { ChainVerifier } from '../verify.ts'
import { ChainBroken } from './errors.ts'

/** Events read at a time: with 256 KiB each, what bounds the memory. */
const PAGE = 256

export interface HistoryOptions {
  readonly store: Pick<EventStore, 'readAll'>
  readonly app: string
  /** What the log is called in an error. */
  readonly called: string
  readonly upTo: Position
  /** Streams that are left out. */
  readonly without: ReadonlySet<string>
}

/** One walk from the first event on, a chain behind it: what it gives is as it was appended. @throws ChainBroken */
export async function* history(options: HistoryOptions): AsyncGenerator<RecordedEvent, void, undefined> {
  const { store, app, called, upTo, without } = options
  const nodes = streamPrefix(app, 'node')
  const verifier = new ChainVerifier()
  for (let from: Position = START; from < upTo; ) {
    const page = await store.readAll({ from, prefixes: [streamPrefix(app)], limit: PAGE })
    for (const event of page) {
      if (event.position > upTo) return
      if (event.stream.startsWith(nodes) || without.has(event.stream)) continue
      const verdict = verifier.check(event)
      if (!verdict.ok) throw new ChainBroken(called, verdict)
      yield event
    }
    const last = page.at(-1)
    if (!last) return
    from = last.position
  }
}

/** Streams that may be recorded as retired and not be deleted yet: each run begins with what was left, and goes batch by batch. */
const NOT_YET_DELETED = 1000

/**
 * The streams of the app that were retired by then, as its audit stream says. Not one that has grown since: what came after
 * is in no archive, so it is still to be retired again.
 */
export async function retiredStreams(
  store: Pick<EventStore, 'readStream'>,
  app: string,
  upTo: Position,
): Promise<ReadonlySet<string>> {
  const audit = `${app}.audit`
  const recorded = new Map<string, number>()
  for (let from = 0n; ; ) {
    const page = await store.readStream(audit, { from, limit: PAGE })
    for (const { type, data, position } of page) {
      const { stream, lastRevision } = data
      if (type !== 'StreamRetired' || typeof stream !== 'string' || position > upTo) continue
      if (!stream.startsWith(streamPrefix(app)) || stream === audit) continue
      recorded.delete(stream)
      recorded.set(stream, Number(lastRevision))
    }
    const last = page.at(-1)
    if (!last) break
    from = last.revision + 1n
  }
  const retired = new Set(recorded.keys())
  for (const [stream, lastRevision] of [...recorded].slice(-NOT_YET_DELETED)) {
    const [last] = await store.readStream(stream, { direction: 'backwards', limit: 1 })
    if (last && last.position <= upTo && last.revision > lastRevision) retired.delete(stream)
  }
  return retired
}

/** Whether both say the same. The hash covers data and metadata, and each walk has held its events to theirs. */
export function isSame(a: RecordedEvent, b: RecordedEvent): boolean {
  return (
    a.id === b.id &&
    a.stream === b.stream &&
    a.revision === b.revision &&
    a.type === b.type &&
    a.metadata.hash === b.metadata.hash
  )
}
