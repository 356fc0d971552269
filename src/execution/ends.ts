/** Those who wait for the end of a task's run, as far as this node sees it. */
export type OnEnd = (isSeen: boolean) => void

export class Ends {
  readonly #waiting = new Map<string, OnEnd[]>()
  #isBlind = false

  /** Calls back once: with true when the run has ended, with false when this node will not see it. @returns how to stop that */
  wait(taskId: string, callback: OnEnd): () => void {
    if (this.#isBlind) {
      callback(false)
      return () => {}
    }
    const callbacks = this.#waiting.get(taskId) ?? []
    callbacks.push(callback)
    this.#waiting.set(taskId, callbacks)
    return () => {
      const left = (this.#waiting.get(taskId) ?? []).filter((other) => other !== callback)
      if (left.length > 0) this.#waiting.set(taskId, left)
      else this.#waiting.delete(taskId)
    }
  }

  seen(taskId: string): void {
    const callbacks = this.#waiting.get(taskId)
    if (!callbacks) return
    this.#waiting.delete(taskId)
    for (const callback of callbacks) callback(true)
  }

  /** None is seen from now on. */
  blind(): void {
    this.#isBlind = true
    const waiting = [...this.#waiting.values()].flat()
    this.#waiting.clear()
    for (const callback of waiting) callback(false)
  }
}
