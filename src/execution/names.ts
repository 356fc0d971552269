/** Few texts of which many copies come: rows and events each bring one of the same name or owner. */
const MOST_SHARED = 100_000

export class SharedTexts {
  readonly #texts = new Map<string, string>()

  /** The copy that came first. */
  of(text: string): string {
    const known = this.#texts.get(text)
    if (known !== undefined) return known
    if (this.#texts.size < MOST_SHARED) this.#texts.set(text, text)
    return text
  }
}

/** How many there are of each name; of most names none. */
export class Counts {
  readonly #byName = new Map<string, number>()

  of(name: string): number {
    return this.#byName.get(name) ?? 0
  }

  add(name: string, change: 1 | -1): void {
    const count = this.of(name) + change
    if (count > 0) this.#byName.set(name, count)
    else this.#byName.delete(name)
  }
}
