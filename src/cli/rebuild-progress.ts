/** What is told of read models that are made again, while that goes on. */
import type { ReadModelWire } from '../http/index.ts'
import { progressText } from './progress.ts'

type Rebuild = NonNullable<ReadModelWire['rebuild']>

/** From 0 to 1. */
export function partOf({ position, until }: Rebuild): number {
  return Math.min(1, (Number(position) + 1) / Math.max(1, Number(until) + 1))
}

export function percent(part: number): number {
  return Math.floor(part * 100)
}

/** What is told of a rebuild while it goes on. */
export class RebuildProgress {
  readonly #told = new Map<string, string>()
  #first: { readonly at: number; readonly part: number; readonly events: number } | undefined

  /** Those that are not as they were the last time. */
  changed(models: readonly ReadModelWire[]): readonly ReadModelWire[] {
    return models.filter((model) => {
      const now = JSON.stringify(model)
      const before = this.#told.get(model.name)
      this.#told.set(model.name, now)
      return now !== before
    })
  }

  /** `jobs 45 %, 1200 events of 2600, 3400 a second, 4 s left`: of the one that is furthest behind. */
  text(models: readonly ReadModelWire[], now: number = performance.now()): string {
    const [last] = models
      .flatMap(({ name, rebuild }) => (rebuild ? [{ name, rebuild, part: partOf(rebuild) }] : []))
      .sort((a, b) => a.part - b.part)
    if (last === undefined) return 'catching up with the log'
    const { name, rebuild, part } = last
    const { events, position, until } = rebuild
    this.#first ??= { at: now, part, events }
    const seconds = (now - this.#first.at) / 1000
    const gained = part - this.#first.part
    // Where positions count events, they tell how many there are in all.
    const total = events === Number(position) + 1 ? ` of ${Number(until) + 1}` : ''
    const rate = seconds > 0 ? `, ${Math.round((events - this.#first.events) / seconds)} a second` : ''
    const left = gained > 0 ? `, ${Math.ceil(((1 - part) / gained) * seconds)} s left` : ''
    return progressText({ phase: name, part, events }) + total + rate + left
  }
}
