/** The read side on the caller's own thread, following any EventStore: for tests, small apps and stores of a cluster. */
import { type EventStore, type RecordedEvent, StoreClosed, type Subscription } from '../events/index.ts'
import { type ReadClock, systemClock } from './clock.ts'
import type { Answer, Asked, QuestionName, ReadCore } from './core.ts'
import { ReadModelsClosed } from './errors.ts'
import { asError, questionsOf, reportError } from './host.ts'
import { openReads } from './opened.ts'
import { readWork } from './queries/work.ts'
import { Rebuilder, type RebuilderOptions } from './rebuilder.ts'
import type { ReadModels } from './views.ts'
import { Waiting } from './waiting.ts'

/** So many events of the log are taken in before others of this thread get their turn. */
const CHUNK = 500
const BACKOFF_MS = { first: 100, max: 10_000 }

export interface InlineOptions {
  readonly app: string
  readonly store: EventStore
  /** Where read.db is kept. Default ':memory:'. */
  readonly file?: string
  readonly clock?: ReadClock
  /** Told what holds the read models up: a PoisonEvent, a full disk, a subscription that dropped. It is tried again. */
  readonly onError?: (error: Error) => void
}

export async function openReadModels(options: InlineOptions): Promise<ReadModels> {
  const { app, store, file = ':memory:', clock = systemClock, onError = reportError } = options
  const { db, core } = await openReads({ app, file, log: store, clock })
  const waiting = new Waiting(clock, () => core.engine.position)
  const rebuilding = keepRebuilding({ core, clock, log: store, onError })
  const follower = follow({
    turn: rebuilding.turn,
    store,
    core,
    clock,
    onError,
    reached: () => waiting.reached(core.engine.position),
  })
  let closed = false

  async function ask<Q extends QuestionName>(question: Q, ...asked: Asked<Q>): Promise<Answer<Q>> {
    if (closed) throw new ReadModelsClosed()
    const answer = core.ask(question, ...asked)
    rebuilding.look()
    return answer
  }

  return {
    get position() {
      return core.engine.position
    },
    waitFor: (position, timeoutMs) => waiting.waitFor(position, timeoutMs),
    ...questionsOf(ask),
    work() {
      if (closed) throw new ReadModelsClosed()
      const work = readWork(db)
      // The next batch changes the table that a lazy reader would still be in.
      return { ...work, waiting: [...work.waiting] }
    },
    watch: (topic, params, sink, from) => core.hub.watch(topic, params, sink, from),
    async close() {
      if (closed) return
      closed = true
      await Promise.all([follower.close(), rebuilding.close()])
      core.hub.close()
      waiting.close()
      db.close()
    },
  }
}

function follow(options: {
  readonly store: EventStore
  readonly core: ReadCore
  readonly clock: ReadClock
  readonly onError: (error: Error) => void
  readonly reached: () => void
  /** What must have ended before events are applied. */
  readonly turn: () => Promise<void> | undefined
}): Subscription {
  const { store, core, clock, onError, reached, turn } = options
  const { engine } = core
  let stopped = false
  let wake: (() => void) | undefined
  let subscription = subscribe()

  /** Resolves after `ms`, or at once when closed. */
  function rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.after(ms, resolve)
      wake = () => {
        cancel()
        resolve()
      }
    })
  }

  async function take(chunk: readonly RecordedEvent[]): Promise<void> {
    for (let backoff = BACKOFF_MS.first; !stopped; backoff = Math.min(backoff * 2, BACKOFF_MS.max)) {
      for (let other = turn(); other !== undefined; other = turn()) await other
      if (stopped) return
      try {
        const from = engine.position
        core.apply(chunk[0] !== undefined && chunk[0].position > from ? chunk : chunk.filter((e) => e.position > from))
        return reached()
      } catch (error) {
        reached()
        onError(asError(error))
        await rest(backoff)
      }
    }
  }

  function dropped(error: Error): void {
    if (stopped) return
    onError(error)
    // A closed log gives no other subscription.
    if (error instanceof StoreClosed) return
    clock.after(BACKOFF_MS.first, () => {
      if (stopped) return
      try {
        subscription = subscribe()
      } catch (closed) {
        dropped(asError(closed))
      }
    })
  }

  function subscribe(): Subscription {
    return store.subscribe(
      { from: engine.position },
      {
        async events(batch) {
          for (let i = 0; i < batch.length && !stopped; i += CHUNK) {
            if (i > 0) await new Promise(setImmediate)
            await take(batch.length <= CHUNK ? batch : batch.slice(i, i + CHUNK))
          }
        },
        caughtUp(position) {
          if (stopped) return
          core.advance(position)
          reached()
        },
        dropped,
      },
    )
  }

  return {
    async close() {
      stopped = true
      wake?.()
      await subscription.close()
    },
  }
}

/** Gives the read models that are made again their turns, whenever there are any. */
function keepRebuilding(options: RebuilderOptions) {
  const { clock, onError } = options
  const rebuilder = new Rebuilder(options)
  let turn: Promise<void> | undefined
  let cancel: (() => void) | undefined
  let stopped = false

  function look(): void {
    const { dueIn } = rebuilder
    if (stopped || turn !== undefined || cancel !== undefined || dueIn === undefined) return
    if (dueIn > 0) {
      cancel = clock.after(dueIn, () => {
        cancel = undefined
        look()
      })
      return
    }
    turn = rebuilder
      .turn(CHUNK)
      .then(
        () => {},
        (error: unknown) => onError(asError(error)),
      )
      .finally(() => {
        turn = undefined
        // Others of this thread get theirs.
        setImmediate(look)
      })
  }

  look()
  return {
    look,
    turn: () => turn,
    async close() {
      stopped = true
      cancel?.()
      await turn
    },
  }
}
