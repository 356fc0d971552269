/**
 * A recorded log through the code that is about to be deployed: the machines of this version, and the tasks, schedules and
 * message handler of this app. Nothing is run and nothing is written.
 */
import {
  HistoryCorrupt,
  isEnded,
  type Replayed,
  Replayer,
  type SessionContext,
  type State,
  type TaskContext,
  WrittenByNewerCode,
} from '../actors/index.ts'
import { appOf, copyOf, type EventStore, type RecordedEvent, type Submission } from '../events/index.ts'
import { occurrenceTask, onFailureTask } from '../execution/index.ts'
import type { App } from './app.ts'
import { parseInput } from './input.ts'

/**
 * `corrupt`: an event does not follow from those before it. `newer`: this version does not know it. Of what has not
 * ended: `no-handler`: the app has nothing to run it with. `input`: the task's schema refuses what was recorded.
 */
export type PartsBy = 'corrupt' | 'newer' | 'no-handler' | 'input'

export interface Parting {
  readonly stream: string
  /** The event that shows it. */
  readonly revision: bigint
  readonly by: PartsBy
  /** A sentence. */
  readonly why: string
}

export interface ReplayOutcome {
  readonly events: number
  readonly streams: number
  /** Tasks that have not ended. */
  readonly open: number
  /** One for each stream at most, in the order of the log. */
  readonly partings: readonly Parting[]
}

export interface ReplaySource {
  /** The log in its order, or whole streams. */
  readonly pages: AsyncIterable<readonly RecordedEvent[]>
  readonly readStream: EventStore['readStream']
}

/** @param onProgress told the events so far, after each page */
export async function replayLog(
  app: App,
  { pages, readStream }: ReplaySource,
  onProgress?: (events: number) => void,
): Promise<ReplayOutcome> {
  const replayer = new Replayer({ app: app.name, log: { readStream } })
  const checks = new Checks(app)
  let events = 0
  let streams = 0
  for await (const page of pages) {
    for (const event of page) {
      if (appOf(event.stream) !== app.name) continue
      events++
      if (event.revision === 0n) streams++
      await checks.take(event, () => replayer.take(event))
    }
    onProgress?.(events)
  }
  return { events, streams, open: checks.open, partings: checks.partings }
}

class Checks {
  readonly #app: App
  readonly #tasks: ReadonlySet<string>
  readonly #partings = new Map<string, Parting>()
  open = 0

  constructor(app: App) {
    this.#app = app
    this.#tasks = new Set([
      ...app.tasks.keys(),
      ...[...app.tasks.values()].filter(({ onFailure }) => onFailure).map(({ name }) => onFailureTask(name)),
      ...[...app.schedules.keys()].map(occurrenceTask),
    ])
  }

  get partings(): readonly Parting[] {
    return [...this.#partings.values()]
  }

  async take({ stream, revision }: RecordedEvent, replay: () => Promise<Replayed | undefined>): Promise<void> {
    try {
      const replayed = await replay()
      if (replayed?.kind === 'task') this.#onTask(stream, revision, replayed)
      if (replayed?.kind === 'session') this.#onSession(stream, revision, replayed.after as State<SessionContext>)
    } catch (error) {
      if (error instanceof HistoryCorrupt) this.#part({ stream, revision, by: 'corrupt', why: error.message })
      else if (error instanceof WrittenByNewerCode) this.#part({ stream, revision, by: 'newer', why: error.message })
      else throw error
    }
  }

  #onTask(stream: string, revision: bigint, { before, after }: Replayed): void {
    const { submission } = (after as State<TaskContext>).context
    const [was, is] = [isOpen(before), isOpen(after)]
    if (was === is || !submission) return
    this.open += is ? 1 : -1
    const parts = is ? this.#refusal(submission) : undefined
    if (parts) this.#part({ stream, revision, ...parts })
    else this.#partings.delete(stream)
  }

  /** What this app has against running it. */
  #refusal({ name, params }: Submission): Pick<Parting, 'by' | 'why'> | undefined {
    if (!this.#tasks.has(name)) return { by: 'no-handler', why: `The app has no task ${name}, for which it waits.` }
    const definition = this.#app.tasks.get(name)
    if (!definition) return undefined
    try {
      parseInput(definition, copyOf(params))
      return undefined
    } catch (error) {
      return { by: 'input', why: error instanceof Error ? error.message : String(error) }
    }
  }

  #onSession(stream: string, revision: bigint, { context: { queue, turn } }: State<SessionContext>): void {
    if (this.#app.onMessage) return
    if (queue.length === 0 && !turn) this.#partings.delete(stream)
    else if (!this.#partings.has(stream)) {
      const why = 'The app has no message handler, and somebody waits for an answer.'
      this.#part({ stream, revision, by: 'no-handler', why })
    }
  }

  #part(parting: Parting): void {
    this.#partings.set(parting.stream, parting)
  }
}

function isOpen({ value }: State<unknown>): boolean {
  return value !== 'new' && !isEnded(value)
}
