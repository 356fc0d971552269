/**
 * The thread of the read models: follows the log over a connection of its own, writes read.db, answers questions and runs
 * live queries. Started by host.ts.
 *
 * Following and answering take turns: a chunk of the log of about 8 ms while somebody asks (40 ms while nobody does),
 * then questions for about 10 ms, so that neither starves the other. While read models are made again, they have a chunk
 * of their own in each round, in place of the rest.
 */
import { once } from 'node:events'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { type MessagePort, parentPort } from 'node:worker_threads'
import { StoreClosed } from '../../events/index.ts'
import { systemClock } from '../clock.ts'
import type { QuestionName, ReadCore } from '../core.ts'
import { deleteReadDatabase, isCorrupt, isDiskTrouble } from '../database.ts'
import { openReads, unusable } from '../opened.ts'
import { Rebuilder } from '../rebuilder.ts'
import type { Watch, WatchTopic, WatchTopics } from '../views.ts'
import { type Ask, type FromWorker, type OpenWatch, sendable, type ToWorker, type WorkerOptions } from './protocol.ts'
import { openSource } from './source.ts'

const CHUNK_MS = { asked: 8, unasked: 40 }
/** Somebody who asked within this time is likely to ask again. */
const ASKED_LATELY_MS = 250
const ANSWERING_MS = 10
const CHUNK = { smallest: 50, first: 200, largest: 5000 }
/**
 * Having kept up, it rests as many times as long as the batch took, and no longer than so many milliseconds: a commit
 * costs as much as fifteen events, and a task that is submitted and ends within one batch is one row written, not two. So
 * under load fewer and larger batches leave far more of the processor to others; whoever asks, or has lately, waits less,
 * and whoever watches no longer than nobody notices. Whoever comes meanwhile ends a long rest.
 */
const REST = {
  asked: { times: 3, longest: 5 },
  watched: { times: 3, longest: 40 },
  alone: { times: 6, longest: 120 },
} as const
/** A thread does not end while it waits on shared memory, so this is also how long a close may take. */
const LONGEST_WAIT_MS = 100
const BACKOFF_MS = { first: 100, max: 10_000 }

async function run(port: MessagePort, { app, file, log }: WorkerOptions): Promise<void> {
  const post = (message: FromWorker) => port.postMessage(message)
  const tell = (error: unknown) => post({ kind: 'trouble', error: sendable(error) })
  const source = await openSource(app, log, tell)
  // The head of a cluster may go back by itself, when its last events are scavenged.
  const { db, core } = await openReads({ app, file, log: source, ...(log.kind === 'file' && { onShorter: tell }) })

  /** read.db cannot be relied on: it is begun again by the next start of this thread. */
  const giveUp = (error: unknown): never => {
    db.close()
    deleteReadDatabase(file)
    throw error
  }
  const rest = new Rest()
  const desk = new Desk(core, post, giveUp)
  const watches = new Watches(core, post)
  const closing = new AbortController()
  port.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'ask':
        rest.end()
        return desk.take(message)
      case 'awaited':
        rest.end()
        return desk.noteAsked()
      case 'watch':
        return watches.open(message)
      case 'update':
        return watches.update(message.id, message.params)
      case 'unwatch':
        return watches.close(message.id)
      case 'close':
        closing.abort()
    }
  })
  post({ kind: 'ready', position: core.engine.position })

  const pace = new Pace()
  const rebuildPace = new Pace()
  const rebuilder = new Rebuilder({
    core,
    log: source,
    clock: systemClock,
    onError: tell,
  })
  const rebuild = async () => {
    const began = performance.now()
    const limit = rebuildPace.chunk(desk.askedLately)
    desk.answerAtOnce(true)
    const read = await rebuilder.turn(limit).catch(giveUp)
    desk.answerAtOnce(false)
    rebuildPace.took(read, performance.now() - began)
  }
  let backoff = BACKOFF_MS.first
  const closed = new Promise<void>((resolve) => closing.signal.addEventListener('abort', () => resolve()))
  while (!closing.signal.aborted) {
    const from = core.engine.position
    try {
      const began = performance.now()
      const limit = pace.chunk(desk.askedLately)
      const { events, isLast, scannedTo = from } = source.read(from, limit)
      if (events.length > 0) core.apply(events)
      if (scannedTo > core.engine.position) core.advance(scannedTo)
      backoff = BACKOFF_MS.first
      if (core.engine.position > from) post({ kind: 'position', position: core.engine.position })
      const took = performance.now() - began
      pace.took(events.length, took)
      if ((isLast || events.length === 0) && rebuilder.dueIn !== 0) {
        desk.answerAtOnce(true)
        if (events.length > 0) await rest.after(took, desk.askedLately ? 'asked' : watches.isOpen ? 'watched' : 'alone')
        else await source.waitForMore(core.engine.position, LONGEST_WAIT_MS)
        desk.answerAtOnce(false)
      }
    } catch (error) {
      if (error instanceof StoreClosed) {
        // The log has ended for this process; questions are still answered.
        desk.answerAtOnce(true)
        await closed
        break
      }
      if (core.engine.position > from) post({ kind: 'position', position: core.engine.position })
      const told = isDiskTrouble(error) ? unusable(file, error) : error
      post({ kind: 'trouble', error: sendable(told), stuck: true })
      if (isCorrupt(error)) giveUp(error)
      desk.answerAtOnce(true)
      await setTimeout(backoff, undefined, { signal: closing.signal }).catch(() => {})
      desk.answerAtOnce(false)
      backoff = Math.min(backoff * 2, BACKOFF_MS.max)
    }
    if (rebuilder.dueIn === 0) await rebuild()
    desk.serve()
    await setImmediate()
  }
  core.hub.close()
  db.close()
  await source.close()
  port.close()
}

/** Questions in the order they came. */
class Desk {
  #atOnce = false
  readonly #core: ReadCore
  readonly #post: (message: FromWorker) => void
  readonly #giveUp: (error: unknown) => never
  #questions: Ask<QuestionName>[] = []
  #askedAt = Number.NEGATIVE_INFINITY

  constructor(core: ReadCore, post: (message: FromWorker) => void, giveUp: (error: unknown) => never) {
    this.#core = core
    this.#post = post
    this.#giveUp = giveUp
  }

  get askedLately(): boolean {
    return performance.now() - this.#askedAt < ASKED_LATELY_MS
  }

  /** Somebody waits for the read models, or asks them. */
  noteAsked(): void {
    this.#askedAt = performance.now()
  }

  take(question: Ask<QuestionName>): void {
    this.#questions.push(question)
    this.noteAsked()
    if (this.#atOnce) this.serve()
  }

  /** Whether questions are answered as they come, while nothing is read from the log. */
  answerAtOnce(atOnce: boolean): void {
    this.#atOnce = atOnce
    if (atOnce) this.serve()
  }

  /** Answers for as long as is its turn, and at least one. */
  serve(): void {
    const until = performance.now() + ANSWERING_MS
    let answered = 0
    for (const question of this.#questions) {
      this.#answer(question)
      answered++
      if (performance.now() > until) break
    }
    this.#questions = this.#questions.slice(answered)
    if (this.#atOnce && this.#questions.length > 0) void setImmediate().then(() => this.serve())
  }

  #answer<Q extends QuestionName>({ id, question, asked }: Ask<Q>): void {
    try {
      this.#post({ kind: 'answer', id, answer: this.#core.ask(question, ...asked) })
    } catch (error) {
      this.#post({ kind: 'refused', id, error: sendable(error) })
      if (isCorrupt(error)) this.#giveUp(error)
    }
  }
}

class Watches {
  readonly #core: ReadCore
  readonly #post: (message: FromWorker) => void
  readonly #open = new Map<number, Watch<WatchTopic>>()

  constructor(core: ReadCore, post: (message: FromWorker) => void) {
    this.#core = core
    this.#post = post
  }

  get isOpen(): boolean {
    return this.#open.size > 0
  }

  open<T extends WatchTopic>({ id, topic, params, from }: OpenWatch<T>): void {
    const watch: Watch<T> = this.#core.hub.watch(
      topic,
      params,
      {
        snapshot: (position, data) => this.#post({ kind: 'snapshot', id, position, data }),
        delta: (from, to, changes) => this.#post({ kind: 'delta', id, from, to, changes }),
        failed: (error) => {
          this.#open.delete(id)
          this.#post({ kind: 'failed', id, error: sendable(error) })
        },
      },
      from,
    )
    this.#open.set(id, watch)
  }

  update(id: number, params: WatchTopics[WatchTopic]['params']): void {
    this.#open.get(id)?.update(params)
  }

  close(id: number): void {
    this.#open.get(id)?.close()
    this.#open.delete(id)
  }
}

/** Between two batches. */
class Rest {
  #end: (() => void) | undefined

  /** @param took milliseconds of the batch before */
  async after(took: number, company: keyof typeof REST): Promise<void> {
    const { times, longest } = REST[company]
    const ms = Math.min(took * times, longest)
    // Not worth to be cut short: whoever asks once is likely to ask again, and would have every batch small.
    if (company === 'asked') return setTimeout(ms)
    const ended = new AbortController()
    this.#end = () => ended.abort()
    await setTimeout(ms, undefined, { signal: ended.signal }).catch(() => {})
    this.#end = undefined
  }

  /** Somebody came. */
  end(): void {
    this.#end?.()
  }
}

/** How many events make a chunk of the length that is wanted, by what the last ones took. */
class Pace {
  #msPerEvent = CHUNK_MS.asked / CHUNK.first

  chunk(asked: boolean): number {
    const events = Math.round((asked ? CHUNK_MS.asked : CHUNK_MS.unasked) / this.#msPerEvent)
    return Math.min(Math.max(events, CHUNK.smallest), CHUNK.largest)
  }

  took(events: number, ms: number): void {
    // A few events say little: a commit costs the same for one as for a hundred.
    if (events >= CHUNK.smallest) this.#msPerEvent = this.#msPerEvent * 0.7 + (ms / events) * 0.3
  }
}

// Last, since classes do not exist before their lines have run.
if (parentPort !== null) {
  const [options] = await once(parentPort, 'message')
  // Until it listens again nothing else keeps the thread.
  parentPort.ref()
  await run(parentPort, options as WorkerOptions)
}
