/**
 * Proves a log: every stream against its hash chain, and what went from it against an archive. One pass, page by page; it
 * keeps a hash for each stream and the name of each that went.
 */
import { type CopyFault, verifyCopy } from './archive/index.ts'
import type { AuditFact } from './catalogue/index.ts'
import { type Position, type RecordedEvent, type Revision, START } from './event.ts'
import { factOf } from './fact.ts'
import type { EventStore } from './store.ts'
import { appOf, auditStream, streamPrefix } from './streams.ts'
import { type ChainBreak, ChainVerifier } from './verify.ts'

export interface LogBreak {
  readonly stream: string
  /** Of the event that is not right; undefined when it is a whole copy in the archive. */
  readonly revision: Revision | undefined
  readonly reason: CopyFault
  /** Of the archive, when it is there that something is wrong. */
  readonly file: string | undefined
}

export interface LogVerdict {
  /** The first break; undefined when all is as it was appended. */
  readonly broken: LogBreak | undefined
  /** That were checked, in so many streams. */
  readonly events: number
  readonly streams: number
  /** Streams that went from the log. */
  readonly retired: number
  /** Of these, those whose copies were checked; undefined without an archive. */
  readonly archived: number | undefined
  /** Of these, those that the log still gives: until a server's scavenge, or the end of a retirement that was cut off. */
  readonly remaining: number
}

export interface VerifyLogOptions {
  /** Default: all apps of the log. */
  readonly app?: string
  /** Directory of the archive, to find there what went. */
  readonly archive?: string
  readonly onProgress?: (progress: { readonly events: number }) => void
}

const PAGE = 1000

/** @throws StoreUnavailable, StoreClosed; StoreCorrupt naming an event that cannot even be read */
export async function verifyLog(
  log: Pick<EventStore, 'readStream' | 'readAll'>,
  options: VerifyLogOptions = {},
): Promise<LogVerdict> {
  return new LogAudit(log, options).run()
}

class LogAudit {
  readonly #log: Pick<EventStore, 'readStream' | 'readAll'>
  readonly #options: VerifyLogOptions
  readonly #chains = new ChainVerifier()
  /** Streams that went, and whether the log was seen to give them still. */
  readonly #retired = new Map<string, boolean>()
  readonly #apps = new Set<string>()
  #events = 0
  #archived = 0

  constructor(log: Pick<EventStore, 'readStream' | 'readAll'>, options: VerifyLogOptions) {
    this.#log = log
    this.#options = options
  }

  async run(): Promise<LogVerdict> {
    const broken = await this.#find()
    let remaining = 0
    for (const isSeen of this.#retired.values()) if (isSeen) remaining++
    return {
      broken,
      events: this.#events,
      streams: this.#chains.streams,
      retired: this.#retired.size,
      archived: this.#options.archive === undefined ? undefined : this.#archived,
      remaining,
    }
  }

  async #find(): Promise<LogBreak | undefined> {
    const { app, onProgress } = this.#options
    if (app !== undefined) {
      const broken = await this.#meet(app)
      if (broken) return broken
    }
    const prefixes = app === undefined ? {} : { prefixes: [streamPrefix(app)] }
    for (let from: Position = START; ; ) {
      const page = await this.#log.readAll({ from, limit: PAGE, ...prefixes })
      const last = page.at(-1)
      if (!last) return undefined
      for (const event of page) {
        const broken = (await this.#meet(appOf(event.stream))) ?? (await this.#check(event))
        if (broken) return broken
      }
      from = last.position
      onProgress?.({ events: this.#events })
    }
  }

  async #check(event: RecordedEvent): Promise<LogBreak | undefined> {
    const { stream } = event
    if (this.#retired.has(stream)) {
      this.#retired.set(stream, true)
      return undefined
    }
    // Read on its own, before the others.
    if (stream === auditStream(appOf(stream))) return undefined
    return this.#judge(event)
  }

  async #judge(event: RecordedEvent): Promise<LogBreak | undefined> {
    const verdict = this.#chains.check(event)
    this.#events++
    if (verdict.ok) return undefined
    const { stream, revision } = verdict
    const reason = verdict.reason === 'missing' && (await this.#isElsewhere(verdict)) ? 'reordered' : verdict.reason
    return { stream, revision, reason, file: undefined }
  }

  async #isElsewhere({ stream, revision }: ChainBreak): Promise<boolean> {
    try {
      const [event] = await this.#log.readStream(stream, { from: revision, limit: 1 })
      return event?.revision === revision
    } catch {
      // A store may refuse to read a stream that has a hole.
      return false
    }
  }

  /** What went from the app's log is known before its first event is looked at. */
  async #meet(app: string): Promise<LogBreak | undefined> {
    if (this.#apps.has(app)) return undefined
    this.#apps.add(app)
    const { archive } = this.#options
    for (let from = 0n; ; ) {
      const page = await this.#log.readStream(auditStream(app), { from, limit: PAGE })
      for (const event of page) {
        const broken = await this.#judge(event)
        if (broken) return broken
        const fact = factOf<AuditFact>(event)
        if (fact.type !== 'StreamRetired') continue
        // One that had grown when it was to be deleted was recorded again.
        const isKnown = this.#retired.has(fact.data.stream)
        this.#retired.set(fact.data.stream, false)
        if (archive === undefined) continue
        const copy = await verifyCopy(archive, fact.data)
        if (!copy.ok) return { stream: copy.stream, revision: copy.revision, reason: copy.reason, file: copy.file }
        if (!isKnown) this.#archived++
      }
      if (page.length < PAGE) return undefined
      from += BigInt(PAGE)
    }
  }
}
