/**
 * Walks a Map from its oldest entry on, over many calls. To begin anew at each call would step over the hole of every
 * entry deleted since the Map last grew: thousands, where the oldest entry is deleted for each new one.
 */
export class OldestFirst<K, V> {
  readonly #map: ReadonlyMap<K, V>
  #entries: MapIterator<[K, V]> | undefined

  constructor(map: ReadonlyMap<K, V>) {
    this.#map = map
  }

  /**
   * The oldest entry, each once: delete it, or delete it and set it again to make it the youngest.
   * @returns undefined when the Map is empty
   */
  next(): [K, V] | undefined {
    const next = this.#entries?.next()
    if (next?.done === false) return next.value
    // An iterator that came to its end does not see what is added later.
    this.#entries = this.#map.entries()
    return this.#entries.next().value
  }

  /** Begins anew next time. Where it stands it keeps every table that the Map has outgrown since it was last called. */
  forget(): void {
    this.#entries = undefined
  }
}
