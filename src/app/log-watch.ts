/**
 * Says on stderr that nothing can be recorded: a full disk keeps the ends of handlers and what comes due waiting, where
 * nobody has called and so nobody is told.
 */
import type { ActorSystem, Report } from '../actors/index.ts'

const LOOK_EVERY_MS = 1_000

export class LogWatch {
  readonly #timer: NodeJS.Timeout
  /** When the append that was told of had no answer. */
  #toldOf: number | undefined

  constructor(system: Pick<ActorSystem, 'noAnswer'>, report: Report) {
    this.#timer = setInterval(() => {
      const { noAnswer } = system
      if (noAnswer && noAnswer.at !== this.#toldOf) report(noAnswer.error, 'appending to the log')
      this.#toldOf = noAnswer?.at
    }, LOOK_EVERY_MS)
    this.#timer.unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }
}
