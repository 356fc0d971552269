/**
 * The log as actors ask it: again while it gives no answer, for ever or until patience is at an end. An append is repeated
 * with the same ids, so it does not matter that the store may have it already.
 */
import {
  type AppendResult,
  type EventData,
  type EventStore,
  type ExpectedRevision,
  type ReadStreamOptions,
  type RecordedEvent,
  type Revision,
  StoreRefusesUser,
  StoreUnavailable,
} from '../events/index.ts'
import type { Clock } from './clock.ts'

/** An append that the store has not answered, and none since that it has. */
export interface NoAnswer {
  readonly error: StoreUnavailable
  /** By the clock's `monotonic`. */
  readonly at: number
}

const RETRY_FIRST_MS = 10
const RETRY_MOST_MS = 1000

/** How often one question was asked, and since when. */
interface Asking {
  readonly stream: string
  readonly forEver: boolean
  readonly began: number
  wait: number
}

/** Called each time that the store gave no answer about a stream, before it is asked again. */
export type OnNoAnswer = (stream: string, error: StoreUnavailable) => void

export class PatientStore {
  readonly #store: EventStore
  readonly #clock: Clock
  readonly #patienceMs: number
  readonly #onNoAnswer: OnNoAnswer
  #noAnswer: NoAnswer | undefined

  constructor(store: EventStore, clock: Clock, patienceMs: number, onNoAnswer: OnNoAnswer) {
    this.#store = store
    this.#clock = clock
    this.#patienceMs = patienceMs
    this.#onNoAnswer = onNoAnswer
  }

  /** The last append, if the store gave no answer: its disk is full, say, though reading goes on. */
  get noAnswer(): NoAnswer | undefined {
    return this.#noAnswer
  }

  /** @throws as EventStore.append; StoreUnavailable only once patience is at an end, which with `forEver` it never is */
  async append(
    stream: string,
    expected: ExpectedRevision,
    events: readonly EventData[],
    forEver: boolean,
  ): Promise<AppendResult> {
    const asking = this.#begin(stream, forEver)
    for (;;) {
      try {
        const result = await this.#store.append(stream, expected, events)
        this.#noAnswer = undefined
        return result
      } catch (error) {
        if (error instanceof StoreUnavailable) this.#noAnswer = { error, at: this.#clock.monotonic() }
        await this.#again(error, asking)
      }
    }
  }

  async readStream(stream: string, part: ReadStreamOptions, forEver: boolean): Promise<readonly RecordedEvent[]> {
    const asking = this.#begin(stream, forEver)
    for (;;) {
      try {
        return await this.#store.readStream(stream, part)
      } catch (error) {
        await this.#again(error, asking)
      }
    }
  }

  async deleteStream(stream: string, expected: Revision | 'no-stream'): Promise<void> {
    const asking = this.#begin(stream, false)
    for (;;) {
      try {
        return await this.#store.deleteStream(stream, expected)
      } catch (error) {
        await this.#again(error, asking)
      }
    }
  }

  #begin(stream: string, forEver: boolean): Asking {
    return { stream, forEver, began: this.#clock.monotonic(), wait: RETRY_FIRST_MS }
  }

  /** Resolves when it is time to ask again. @throws the error, if asking again is of no use or patience at an end */
  async #again(error: unknown, asking: Asking): Promise<void> {
    const { stream, forEver, began, wait } = asking
    // A password that is changed on the server before it is changed here must not cost the end of what runs.
    const mayHelp =
      error instanceof StoreUnavailable && (error.retryable || (forEver && error instanceof StoreRefusesUser))
    if (!mayHelp) throw error
    if (!forEver && this.#clock.monotonic() + wait > began + this.#patienceMs) throw error
    this.#onNoAnswer(stream, error)
    asking.wait = Math.min(wait * 2, RETRY_MOST_MS)
    await new Promise<void>((resolve) => this.#clock.after(wait, resolve))
  }
}
