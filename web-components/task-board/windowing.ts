/**
 * Which cards of a column are to be drawn, and which the server should send, from where the reader has scrolled.
 * Rows differ in height: those seen are measured, those not are taken to be as high as the measured ones on average.
 * Pure: heights and offsets in CSS px, indices from 0, ranges include `start` and exclude `end`.
 */
import type { BoardWindow } from '../../src/http/wire.ts'

export interface Rows {
  /** Of the whole column. */
  count: number
  /** Index of the first row that is known. */
  after: number
  /** Height of each known row with the gap below it. */
  heights: readonly number[]
  /** Height of a row that is not known. */
  estimate: number
}

export interface Range {
  start: number
  end: number
}

/** Drawn beyond what is seen, on either side. */
const OVERSCAN = 4
/** The server sends at least this many. */
const LIMIT = 50
/** A window moves when what is seen comes this near to its end. */
const MARGIN = 10

/** The offset of the upper edge of row `index`; `count` gives the height of all. */
export function topOf(rows: Rows, index: number): number {
  const { after, heights, estimate } = rows
  if (index <= after) return index * estimate
  let top = after * estimate
  const known = Math.min(index - after, heights.length)
  for (let at = 0; at < known; at += 1) top += heights[at] ?? estimate
  return top + (index - after - known) * estimate
}

/** The row at offset `y`, from 0 to `count`. */
export function indexAt(rows: Rows, y: number): number {
  const { count, after, heights, estimate } = rows
  const start = after * estimate
  if (y < start) return clamp(Math.floor(y / estimate), 0, count)
  let edge = start
  for (let at = 0; at < heights.length; at += 1) {
    edge += heights[at] ?? estimate
    if (y < edge) return Math.min(after + at, count)
  }
  return clamp(after + heights.length + Math.floor((y - edge) / estimate), 0, count)
}

/** The rows one sees at `scrollTop` through a viewport of `height`; empty when it is not shown. */
export function seen(rows: Rows, scrollTop: number, height: number): Range {
  if (height <= 0 || rows.count === 0) return { start: 0, end: 0 }
  const start = indexAt(rows, scrollTop)
  return { start, end: Math.min(rows.count, indexAt(rows, scrollTop + height - 1) + 1) }
}

/** The rows to draw around those seen. */
export function drawn(rows: Rows, range: Range): Range {
  if (range.start === range.end) return range
  return { start: Math.max(0, range.start - OVERSCAN), end: Math.min(rows.count, range.end + OVERSCAN) }
}

/** The window to ask for, or undefined while `current` has all that is seen and some more. */
export function nextWindow(current: BoardWindow, range: Range, count: number): BoardWindow | undefined {
  const size = range.end - range.start
  if (size === 0) return undefined
  const needed = { start: Math.max(0, range.start - MARGIN), end: Math.min(count, range.end + MARGIN) }
  if (current.after <= needed.start && needed.end <= current.after + current.limit) return undefined
  const limit = Math.max(LIMIT, Math.ceil((size * 2.5) / 10) * 10)
  const centred = range.start - Math.floor((limit - size) / 2)
  return { after: clamp(centred, 0, Math.max(0, count - limit)), limit }
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value))
}
