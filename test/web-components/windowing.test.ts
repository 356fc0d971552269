/** Which cards are drawn and asked for, and that what is read stays where it is while cards come and go above. */
import { describe, expect, test } from 'vitest'
import type { BoardColumn } from '../../src/http/wire.ts'
import { ColumnView } from '../../web-components/task-board/column-view.ts'
import { drawn, indexAt, nextWindow, type Rows, seen, topOf } from '../../web-components/task-board/windowing.ts'
import { aJob } from './fake-board-server.ts'

const rows: Rows = { count: 1000, after: 100, heights: [60, 90, 60], estimate: 60 }

describe('rows', () => {
  test('known rows lie by their heights, others by the estimate', () => {
    expect([0, 100, 101, 102, 103, 1000].map((index) => topOf(rows, index))).toEqual([
      0, 6000, 6060, 6150, 6210, 60_030,
    ])
  })

  test('every row is at its own offset, and at every offset up to the next', () => {
    for (const index of [0, 7, 99, 100, 101, 102, 103, 500, 999]) {
      expect(indexAt(rows, topOf(rows, index))).toBe(index)
      expect(indexAt(rows, topOf(rows, index + 1) - 1)).toBe(index)
    }
  })

  test('nothing is seen of a hidden or empty column', () => {
    expect(seen(rows, 0, 0)).toEqual({ start: 0, end: 0 })
    expect(seen({ ...rows, count: 0, heights: [] }, 0, 500)).toEqual({ start: 0, end: 0 })
  })

  test('a little more than what is seen is drawn, never beyond the ends', () => {
    const few: Rows = { count: 12, after: 0, heights: [], estimate: 60 }
    expect(seen(few, 0, 600)).toEqual({ start: 0, end: 10 })
    expect(drawn(few, { start: 0, end: 10 })).toEqual({ start: 0, end: 12 })
    expect(drawn(rows, { start: 500, end: 511 })).toEqual({ start: 496, end: 515 })
  })
})

describe('windows', () => {
  test('stay while they cover what is seen and a margin', () => {
    expect(nextWindow({ after: 0, limit: 50 }, { start: 0, end: 11 }, 9872)).toBeUndefined()
    expect(nextWindow({ after: 0, limit: 50 }, { start: 29, end: 40 }, 9872)).toBeUndefined()
  })

  test('move around what is seen when it nears their end', () => {
    expect(nextWindow({ after: 0, limit: 50 }, { start: 35, end: 46 }, 9872)).toEqual({ after: 16, limit: 50 })
    expect(nextWindow({ after: 0, limit: 50 }, { start: 9861, end: 9872 }, 9872)).toEqual({ after: 9822, limit: 50 })
  })

  test('a window that ends with the column is enough at its end', () => {
    expect(nextWindow({ after: 9822, limit: 50 }, { start: 9861, end: 9872 }, 9872)).toBeUndefined()
    expect(nextWindow({ after: 0, limit: 50 }, { start: 0, end: 8 }, 8)).toBeUndefined()
  })

  test('grow with the screen', () => {
    const next = nextWindow({ after: 0, limit: 50 }, { start: 100, end: 140 }, 9872)
    expect(next?.limit).toBe(100)
  })
})

describe('a column one reads', () => {
  const column = (ids: string[], count = ids.length, after = 0): BoardColumn => ({
    label: 'Completed',
    statuses: ['completed'],
    order: 'newest first',
    count,
    after,
    jobs: ids.map((id) => aJob({ id })),
  })
  const ids = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => `task-${from + at}`)
  const heights = (names: string[], height: number) => names.map((id) => [id, height] as const)

  function reading(scrollTop: number): ColumnView {
    const view = new ColumnView()
    view.take(column(ids(0, 40)))
    view.measured(heights(ids(0, 40), 60))
    view.moved(scrollTop, 600)
    return view
  }

  test('stays put when cards arrive above', () => {
    const view = reading(300)
    view.take(column(['new-1', 'new-2', ...ids(0, 40)]))
    view.measured(heights(['new-1', 'new-2'], 90))
    expect(view.settle()).toBe(180)
    expect(view.scrollTop).toBe(480)
    expect(view.settle()).toBe(0)
  })

  test('stays put by the next card when the first in view leaves', () => {
    const view = reading(300)
    view.take(column(ids(0, 40).filter((id) => id !== 'task-5')))
    expect(view.settle()).toBe(-60)
  })

  test('shows what comes in when one is at the top', () => {
    const view = reading(0)
    view.take(column(['new-1', ...ids(0, 40)]))
    expect(view.settle()).toBe(0)
  })

  test('asks for a window once', () => {
    const view = new ColumnView()
    view.take(column(ids(0, 50), 9872))
    view.moved(60 * 4000, 600)
    expect(view.wanted()).toMatchObject({ limit: 50 })
    expect(view.wanted()).toBeUndefined()
    expect(view.drawnJobs().every((job) => job === undefined)).toBe(true)
  })
})
