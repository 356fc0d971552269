/**
 * Where the reader is in one column: scroll offset, measured heights, the window asked of the server. Cards come and
 * go above what is read; `settle` keeps the card that was first in view where it was.
 */
import type { BoardColumn, BoardWindow, Job } from '../../src/http/wire.ts'
import { drawn, nextWindow, type Range, type Rows, seen, topOf } from './windowing.ts'

/** A card of two lines, before any was measured. */
const FIRST_ESTIMATE = 60
/** Nearer to the top than this, the reader watches what comes in rather than reads. */
const AT_TOP = 8
/** Heights of this many cards that left are kept, for when one scrolls back. */
const REMEMBERED = 2_000

export class ColumnView {
  scrollTop = 0
  /** Height of the part one sees; 0 while the column is hidden. */
  viewport = 0
  /** What to draw, and what of it is in view. */
  range: Range = { start: 0, end: 0 }
  inView: Range = { start: 0, end: 0 }
  #column: BoardColumn | undefined
  #heights = new Map<string, number>()
  #estimate = FIRST_ESTIMATE
  #asked: BoardWindow | undefined
  #toTop = false
  #anchor: { id: string; offset: number }[] = []

  get rows(): Rows {
    const column = this.#column
    return {
      count: column?.count ?? 0,
      after: column?.after ?? 0,
      heights: column?.jobs.map((job) => this.#heights.get(job.id) ?? this.#estimate) ?? [],
      estimate: this.#estimate,
    }
  }

  /** Forgets where it was: the column is about to hold other cards altogether. */
  reset(): void {
    this.scrollTop = 0
    this.#toTop = true
    this.#asked = undefined
    this.#anchor = []
  }

  /** Takes the column as it is now, remembering what was in view before. */
  take(column: BoardColumn): void {
    if (column !== this.#column && this.#column) this.#anchor = this.#inViewNow()
    this.#column = column
    this.#layOut()
  }

  /** The reader scrolled or the column was resized. True when other cards are to be drawn. */
  moved(scrollTop: number, viewport: number): boolean {
    this.scrollTop = scrollTop
    this.viewport = viewport
    return this.#layOut()
  }

  /** The drawn rows: a job each, undefined where the server has yet to send it. */
  drawnJobs(): (Job | undefined)[] {
    const column = this.#column
    const jobs: (Job | undefined)[] = []
    for (let index = this.range.start; index < this.range.end; index += 1) {
      jobs.push(column?.jobs[index - column.after])
    }
    return jobs
  }

  /** Heights of what is not drawn, above and below. */
  padding(): { above: number; below: number } {
    const { rows } = this
    return { above: topOf(rows, this.range.start), below: topOf(rows, rows.count) - topOf(rows, this.range.end) }
  }

  /** Learns heights of drawn cards, gap included. True when other cards are to be drawn. */
  measured(heights: Iterable<readonly [id: string, height: number]>): boolean {
    const news = [...heights].filter(([id, height]) => height > 0 && this.#heights.get(id) !== height)
    if (news.length === 0) return false
    // What lies above is about to be taken for higher or lower than it was.
    if (this.#anchor.length === 0) this.#anchor = this.#inViewNow()
    for (const [id, height] of news) this.#heights.set(id, height)
    let sum = 0
    for (const height of this.#heights.values()) sum += height
    // Whole pixels: a browser rounds scroll offsets, and the error would add up.
    this.#estimate = Math.round(sum / this.#heights.size)
    for (const id of this.#heights.keys()) {
      if (this.#heights.size <= REMEMBERED) break
      this.#heights.delete(id)
    }
    return this.#layOut()
  }

  /** Whether the list is to be scrolled to its top, told once after a reset. */
  takeReset(): boolean {
    const toTop = this.#toTop
    this.#toTop = false
    return toTop
  }

  /**
   * How far to scroll so that what was in view is where it was; 0 when it is. A distance and not a place: the reader
   * may have scrolled on since.
   */
  settle(): number {
    const anchors = this.#anchor
    this.#anchor = []
    const column = this.#column
    if (!column || this.scrollTop <= AT_TOP) return 0
    const at = new Map(column.jobs.map((job, index) => [job.id, index]))
    const anchor = anchors.find(({ id }) => at.has(id))
    if (!anchor) return 0
    const top = Math.max(0, topOf(this.rows, column.after + (at.get(anchor.id) ?? 0)) - anchor.offset)
    const distance = top - this.scrollTop
    if (Math.abs(distance) < 1) return 0
    this.scrollTop = top
    this.#layOut()
    return distance
  }

  /** Scroll offset that brings row `index` into view with the least movement. */
  offsetFor(index: number): number {
    const { rows } = this
    const [top, bottom] = [topOf(rows, index), topOf(rows, index + 1)]
    if (top < this.scrollTop) return Math.max(0, top - 8)
    return bottom > this.scrollTop + this.viewport ? bottom - this.viewport + 8 : this.scrollTop
  }

  /** What to ask the server for, once. */
  wanted(): BoardWindow | undefined {
    const column = this.#column
    if (!column) return undefined
    const current = this.#asked ?? { after: column.after, limit: Math.max(column.jobs.length, 50) }
    const next = nextWindow(current, this.inView, column.count)
    if (next) this.#asked = next
    return next
  }

  /** True when other rows are in view or to be drawn than before. */
  #layOut(): boolean {
    const { rows, range, inView } = this
    this.inView = seen(rows, this.scrollTop, this.viewport)
    this.range = drawn(rows, this.inView)
    return !same(range, this.range) || !same(inView, this.inView)
  }

  /** The cards in view by id, each with its offset from the upper edge: the first that stays will be the anchor. */
  #inViewNow(): { id: string; offset: number }[] {
    const column = this.#column
    if (!column || this.scrollTop <= AT_TOP) return []
    const { rows } = this
    const inView: { id: string; offset: number }[] = []
    for (let index = this.inView.start; index < this.inView.end; index += 1) {
      const job = column.jobs[index - column.after]
      if (job) inView.push({ id: job.id, offset: topOf(rows, index) - this.scrollTop })
    }
    return inView
  }
}

function same(a: Range, b: Range): boolean {
  return a.start === b.start && a.end === b.end
}
