/** How many handlers run at the same time on a node. A slot is taken before a start is appended, and given back once. */
export class Slots {
  readonly #most: number
  #taken = 0
  /** One runs, or is about to, with nothing beside it. */
  #alone = false
  #open = false
  #waiting: (() => void)[] = []

  /** @param most from 1 */
  constructor(most: number) {
    this.#most = most
  }

  get isIdle(): boolean {
    return this.#taken === 0
  }

  get isOpen(): boolean {
    return this.#open
  }

  open(): void {
    this.#open = true
  }

  /** No more are given out. */
  close(): void {
    this.#open = false
  }

  /** Takes as many as are free, up to `wished`; how many. */
  take(wished: number): number {
    if (!this.#open || this.#alone) return 0
    const taken = Math.max(0, Math.min(wished, this.#most - this.#taken))
    this.#taken += taken
    return taken
  }

  /** Takes one and keeps the others back until `endAlone`. To be called when none is taken. */
  takeAlone(): void {
    this.#taken++
    this.#alone = true
  }

  endAlone(): void {
    this.#alone = false
  }

  giveBack(): void {
    this.#taken--
    for (const freed of this.#waiting.splice(0)) freed()
  }

  /** Resolves when the next one is given back. */
  freed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}
