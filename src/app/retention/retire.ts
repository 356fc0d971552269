/**
 * Takes whole streams out of the log that ended long ago: tasks to which nothing is owed, and conversations without tasks.
 *
 * In this order, for one batch after the other: a stream is written to the archive and synced; StreamRetired is recorded; the
 * stream is deleted at the revision that was written. A crash between any two leaves a copy that nobody needs, or a record
 * whose deletion the next run completes. A task that might be run again is deleted (TaskDeleted) before it is copied, so that
 * nobody begins it between its copy and its end.
 */
import {
  type ActorSystem,
  auditKind,
  CommandRefused,
  isEnded,
  lockKind,
  type Origin,
  placeOf,
  scheduleKind,
  taskKind,
} from '../../actors/index.ts'
import {
  type ArchiveWriter,
  type AuditFact,
  appOf,
  auditStream,
  ChainBroken,
  type EventStore,
  factOf,
  NO_KEY,
  openArchive,
  type Position,
  parseStream,
  type RecordedEvent,
  type RetiredStream,
  type Revision,
  START,
  StreamDeleted,
  streamName,
  WrongExpectedRevision,
} from '../../events/index.ts'
import { onFailureTaskId } from '../../execution/index.ts'
import type { ReadModels } from '../../projections/index.ts'
import { type Ended, type EndedTask, Judge, type Judgement, type Kept } from './judge.ts'

export interface RetireOptions {
  /** What ended before goes. Milliseconds since the epoch. */
  readonly before: number
  /** At most so many streams. Default: all. */
  readonly limit?: number
  /** Looks, and changes nothing. */
  readonly dryRun?: boolean
  readonly onProgress?: (progress: RetireProgress) => void
}

export interface RetireProgress {
  /** Streams that were looked at, and those of them that went. */
  readonly looked: number
  readonly retired: number
}

export interface RetireOutcome {
  /** Streams that went, or would go in a dry run: then conversations whose last tasks would go are not among them. */
  readonly retired: number
  readonly events: number
  /** In the archive. */
  readonly bytes: number
  /** Streams of an earlier run that was cut off, deleted now. */
  readonly completed: number
  /** Streams that were looked at and stay, by why. */
  readonly kept: Readonly<Partial<Record<Kept, number>>>
  /** Some of those whose events are not as they were appended. */
  readonly broken: readonly string[]
  /** The limit was reached: there may be more. */
  readonly more: boolean
  /** From which reads show all of it; START when nothing went. */
  readonly position: Position
}

export interface RetireParts {
  readonly system: ActorSystem
  readonly store: EventStore
  readonly reads: Pick<ReadModels, 'retirable' | 'waitFor'>
  /** Directory of the archive. */
  readonly archive: string
  readonly by: Origin['by']
  /** A file of the archive that has so many bytes gets no further stream. */
  readonly segmentBytes?: number
}

/** Streams of one batch: so many are recorded together. */
const BATCH = 100
const BATCH_BYTES = 8 * 1024 * 1024
const PAGE = 200
/** Streams looked at together. */
const AT_ONCE = 8
/** Records of earlier runs whose deletion is checked: a run that was cut off has left at most a batch. */
const LOOK_BACK = 1000
const MOST_NAMED = 20
/** onFailure tasks that are looked at again, after the tasks that they are about. */
const MOST_LATER = 10_000

/**
 * @throws ArchiveInUse, ArchiveUnavailable, ReadModelBehind, StoreError. What was done until then stays done; the next run goes on.
 */
export async function retire(parts: RetireParts, options: RetireOptions): Promise<RetireOutcome> {
  const { store, reads, system, archive: directory, segmentBytes } = parts
  await reads.waitFor(await store.head())
  if (options.dryRun) return new Retirement(parts, options, undefined).run()
  const now = () => system.clock.now()
  const archive = await openArchive({ directory, app: system.app, now, ...(segmentBytes ? { segmentBytes } : {}) })
  try {
    return await new Retirement(parts, options, archive).run()
  } finally {
    await archive.close()
  }
}

type Kind = 'task' | 'session'

interface Fit {
  readonly kind: Kind
  readonly id: string
  readonly ended: Ended
  /** Its events, unless there are many. */
  readonly events: readonly RecordedEvent[] | undefined
}

interface Looked {
  readonly judgement: Judgement
  readonly events: readonly RecordedEvent[] | undefined
}

class Retirement {
  readonly #parts: RetireParts
  readonly #options: RetireOptions
  /** Undefined in a dry run. */
  readonly #archive: ArchiveWriter | undefined
  readonly #batch: RetiredStream[] = []
  readonly #later: string[] = []
  /** In a dry run: tasks that would go. */
  readonly #would = new Set<string>()
  /** That were recorded, and had grown when they were to be deleted. */
  readonly #grown: { kind: Kind; id: string }[] = []
  readonly #kept: Partial<Record<Kept, number>> = {}
  readonly #broken: string[] = []
  #isLastLook = false
  #batchBytes = 0
  #looked = 0
  #taken = 0
  #retired = 0
  #events = 0
  #bytes = 0
  #completed = 0
  #position: Position = START

  constructor(parts: RetireParts, options: RetireOptions, archive: ArchiveWriter | undefined) {
    this.#parts = parts
    this.#options = options
    this.#archive = archive
  }

  async run(): Promise<RetireOutcome> {
    if (this.#archive) await this.#complete()
    let more = await this.#all('task')
    this.#isLastLook = true
    more = (await this.#considerAll('task', this.#later.splice(0))) || more
    await this.#flush()
    if (!more) {
      if (this.#position > START) await this.#parts.reads.waitFor(this.#position)
      more = await this.#all('session')
      await this.#flush()
    }
    return {
      retired: this.#retired,
      events: this.#events,
      bytes: this.#bytes,
      completed: this.#completed,
      kept: this.#kept,
      broken: this.#broken,
      more,
      position: this.#position,
    }
  }

  /** @returns whether the limit left some */
  async #all(kind: Kind): Promise<boolean> {
    const { reads } = this.#parts
    let after: string | undefined
    do {
      const query = { kind, before: this.#options.before, limit: PAGE, ...(after === undefined ? {} : { after }) }
      const page = await reads.retirable(query)
      if (await this.#considerAll(kind, page.ids)) return true
      after = page.next
    } while (after !== undefined)
    // onFailure tasks may now come after the tasks that they are about.
    await this.#flush()
    return false
  }

  /** How many more may go. */
  get #room(): number {
    return (this.#options.limit ?? Number.POSITIVE_INFINITY) - this.#taken
  }

  /** @returns whether the limit left some */
  async #considerAll(kind: Kind, ids: readonly string[]): Promise<boolean> {
    for (let next = 0; next < ids.length; ) {
      // No more than may go: to be looked at changes a task.
      const some = ids.slice(next, next + Math.min(AT_ONCE, this.#room))
      if (some.length === 0) return true
      next += some.length
      const fits = await Promise.all(some.map((id) => this.#look(kind, id)))
      for (const fit of fits) if (fit) await this.#take(fit)
      this.#tell()
    }
    return false
  }

  #tell(): void {
    this.#options.onProgress?.({ looked: this.#looked, retired: this.#retired })
  }

  /** Undefined when it stays. */
  async #look(kind: Kind, id: string): Promise<Fit | undefined> {
    this.#looked++
    const stream = streamName(this.#parts.system.app, kind, id)
    let { judgement, events } = await this.#read(kind, stream)
    let kept = 'kept' in judgement ? judgement.kept : await this.#keptByOthers(id, judgement.ended.task)
    if (kept === undefined && 'ended' in judgement && judgement.ended.task?.mayRunAgain && this.#archive) {
      const isClosed = await this.#close(id)
      const again = await this.#read(kind, stream)
      judgement = again.judgement
      events = again.events
      kept = !isClosed
        ? 'changed'
        : 'kept' in judgement
          ? judgement.kept
          : await this.#keptByOthers(id, judgement.ended.task)
    }
    if (kept === undefined && 'ended' in judgement) return { kind, id, ended: judgement.ended, events }
    if (kept === 'about' && !this.#isLastLook && this.#later.length < MOST_LATER) this.#later.push(id)
    else this.#keep(kept ?? 'changed', stream)
    return undefined
  }

  #keep(why: Kept, stream: string): void {
    this.#kept[why] = (this.#kept[why] ?? 0) + 1
    if (why === 'broken' && this.#broken.length < MOST_NAMED) this.#broken.push(stream)
  }

  /** From the log, and not from the read models alone. */
  async #read(kind: Kind, stream: string): Promise<Looked> {
    const judge = new Judge(kind, this.#options.before)
    let events: RecordedEvent[] | undefined = []
    for await (const page of this.#pages(stream)) {
      for (const event of page) judge.add(event)
      events = events && events.length === 0 ? [...page] : undefined
    }
    return { judgement: judge.judgement, events }
  }

  async *#pages(stream: string): AsyncGenerator<readonly RecordedEvent[]> {
    for (let from = 0n; ; from += BigInt(PAGE)) {
      const page = await this.#parts.store.readStream(stream, { from, limit: PAGE })
      if (page.length > 0) yield page
      if (page.length < PAGE) return
    }
  }

  /** What other streams still have to do with the task. */
  async #keptByOthers(id: string, task: EndedTask | undefined): Promise<Kept | undefined> {
    if (!task) return undefined
    const { system, store } = this.#parts
    const { lockKey, occurrence, failureOf } = task.submission
    if (lockKey !== undefined) {
      const { state } = await system.read(lockKind, lockKey)
      if (placeOf(id, state.context) !== undefined) return 'locked'
    }
    if (occurrence) {
      const { state } = await system.read(scheduleKind, occurrence.schedule)
      if (state.context.running.some(({ taskId }) => taskId === id)) return 'occurring'
    }
    for (const run of task.failedRuns) {
      const { state } = await system.read(taskKind, onFailureTaskId(system.app, id, run))
      if (!isEnded(state.value)) return 'owed'
    }
    if (failureOf && !this.#would.has(failureOf.taskId)) {
      const [first] = await store.readStream(streamName(system.app, 'task', failureOf.taskId), { limit: 1 })
      if (first) return 'about'
    }
    return undefined
  }

  /** Nobody begins the task again from now on. @returns false if somebody has, or it is gone */
  async #close(id: string): Promise<boolean> {
    const { system, by } = this.#parts
    try {
      await system.execute(taskKind, id, { type: 'delete' }, { by })
      return true
    } catch (error) {
      if (error instanceof CommandRefused || error instanceof StreamDeleted) return false
      throw error
    }
  }

  async #take({ kind, id, ended, events }: Fit): Promise<void> {
    const stream = streamName(this.#parts.system.app, kind, id)
    if (!this.#archive) {
      this.#taken++
      this.#retired++
      this.#events += Number(ended.lastRevision) + 1
      if (kind === 'task') this.#would.add(id)
      return
    }
    let copy: RetiredStream
    try {
      copy = await this.#archive.write(stream, events ? [events] : this.#pages(stream))
    } catch (error) {
      if (!(error instanceof ChainBroken)) throw error
      // Another node may have deleted it before any of it was read.
      const [first] = await this.#parts.store.readStream(stream, { limit: 1 })
      return this.#keep(first ? 'broken' : 'changed', stream)
    }
    // It was deleted by another node, or has grown, while it was copied: the copy is of no use.
    if (BigInt(copy.lastRevision) !== ended.lastRevision) return this.#keep('changed', stream)
    const { sessionId } = ended
    this.#batch.push({ ...copy, ...(sessionId === undefined ? {} : { sessionId }) })
    this.#taken++
    this.#batchBytes += copy.archive.bytes
    if (this.#batch.length >= BATCH || this.#batchBytes >= BATCH_BYTES) await this.#flush()
  }

  /** Copies are durable, then the record is, then the streams go. */
  async #flush(): Promise<void> {
    const batch = this.#batch.splice(0)
    this.#batchBytes = 0
    if (batch.length === 0 || !this.#archive) return
    const { system, by } = this.#parts
    await this.#archive.sync()
    const command = { type: 'retire', streams: batch } as const
    const { position, facts } = await system.execute(auditKind, NO_KEY, command, { by })
    this.#position = position
    // Another node may have been first with some of them.
    const ours = new Set(facts.map(({ data }) => data.stream))
    for (const some of chunks(batch, AT_ONCE)) {
      await Promise.all(
        some.map(async (copy) => {
          if (!(await this.#delete(copy.stream, copy.lastRevision)) || !ours.has(copy.stream)) return
          this.#retired++
          this.#events += copy.events
          this.#bytes += copy.archive.bytes
        }),
      )
      this.#tell()
    }
    await this.#again()
  }

  /** @returns false if it has grown since: it is then looked at again */
  async #delete(stream: string, lastRevision: number): Promise<boolean> {
    const { system } = this.#parts
    try {
      await system.deleteStream(stream, BigInt(lastRevision) as Revision)
      return true
    } catch (error) {
      if (!(error instanceof WrongExpectedRevision)) throw error
      const parsed = parseStream(system.app, stream)
      if (parsed?.kind !== 'task' && parsed?.kind !== 'session') throw error
      this.#grown.push({ kind: parsed.kind, id: parsed.key })
      return false
    }
  }

  /** What was appended to a closed stream changes nothing about it (a refused write): it goes with its new end. */
  async #again(): Promise<void> {
    for (const { kind, id } of this.#grown.splice(0)) {
      const fit = await this.#look(kind, id)
      if (fit) await this.#take(fit)
    }
  }

  /** Deletes what an earlier run, here or on another node, has recorded and not come to delete. */
  async #complete(): Promise<void> {
    const { store, system } = this.#parts
    const records = await store.readStream(auditStream(system.app), { direction: 'backwards', limit: LOOK_BACK })
    const last = new Map<string, number>()
    for (const event of records) {
      const fact = factOf<AuditFact>(event)
      if (fact.type !== 'StreamRetired' || last.has(fact.data.stream)) continue
      last.set(fact.data.stream, fact.data.lastRevision)
    }
    for (const some of chunks([...last], AT_ONCE)) {
      await Promise.all(
        some.map(async ([stream, lastRevision]) => {
          if (appOf(stream) !== system.app) return
          const [first] = await store.readStream(stream, { limit: 1 })
          if (first && (await this.#delete(stream, lastRevision))) this.#completed++
        }),
      )
    }
    await this.#again()
    await this.#flush()
  }
}

function* chunks<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size)
}
