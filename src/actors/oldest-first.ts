/**
 * Walks a Map from its oldest entry on, over many calls. To begin anew at each call would step over the hole of every
 * entry deleted since the Map last grew: thousands, where the oldest entry is deleted for each new one.
 */
export class OldestFirst<K, V> {
  readonly #map: ReadonlyMap<K, V>
  #entries: MapIterator<[K, V]>

  constructor(map: ReadonlyMap<K, V>) {
    this.#map = map
    this.#entries = map.entries()
  }

  /**
   * The oldest entry, each once: delete it, or delete it and set it again to make it the youngest.
   * @returns undefined when the Map is empty
   */
  next(): [K, V] | undefined {
    const { value, done } = this.#entries.next()
    if (!done) return value
    // An iterator that came to its end does not see what is added later.
    this.#entries = this.#map.entries()
    return this.#entries.next().value
  }
}
