/**
 * Where the states stand and which way each transition goes, for wide places and narrow ones. Numbers are units of the
 * picture, one of which is a CSS pixel at the usual text size; lines are axis-parallel.
 */
import type { JobStatus } from '../../src/http/wire.ts'
import type { Transition } from './path.ts'

export type Point = readonly [x: number, y: number]

export interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
}

/** Where the label of some transitions stands: on a baseline, from or up to `x`, at most `room` wide. */
export interface Place {
  readonly x: number
  readonly y: number
  readonly room: number
  readonly end?: boolean
}

export interface Layout {
  readonly narrow: boolean
  readonly width: number
  readonly height: number
  readonly boxHeight: number
  readonly boxes: { readonly [status in JobStatus]: Box }
  /** By `lane`. */
  readonly labels: { readonly [lane: string]: Place }
  route(transition: Transition): readonly Point[]
}

/** Below it the states stand under one another. */
const NARROW = 640
const WIDEST_NARROW = 420

/** What shares a label: a TaskStarted has one for each state it leaves, the ends of a wait have one together. */
export function lane({ from, type, to }: Transition): string {
  if (to === 'running') return `${type} ${from}`
  return from !== 'running' && (to === 'failed' || to === 'cancelled') ? 'waiting' : type
}

/** The layout for a place `width` units wide. */
export function layout(width: number): Layout {
  return width < NARROW ? narrow(Math.min(width, WIDEST_NARROW)) : wide(width)
}

/** Waiting states on the left, Running between, ends on the right. */
function wide(width: number): Layout {
  const [half, waiting, gutter] = [14, 142, 18]
  const last = width - gutter - 116
  const free = last - gutter - waiting - 108
  // Labels on the left may reach under and over Running; those on the right have to end before their state.
  const middle = gutter + waiting + Math.round((free - 46) / 2)
  const [right, bus] = [gutter + waiting, middle + 108 + 16]
  const [top, bottom] = [16, 204]
  const centre = {
    pending: 52,
    scheduled: 102,
    retry: 158,
    running: 102,
    completed: 38,
    timeout: 80,
    failed: 122,
    cancelled: 164,
  }
  const box = (status: JobStatus, x: number, width: number): Box => ({ x, y: centre[status] - half, width })
  const above = (status: JobStatus): Place => ({ x: bus + 10, y: centre[status] - 9, room: last - bus - 32 })

  return {
    narrow: false,
    width,
    height: 210,
    boxHeight: 2 * half,
    boxes: {
      pending: box('pending', gutter, waiting),
      scheduled: box('scheduled', gutter, waiting),
      retry: box('retry', gutter, waiting),
      running: box('running', middle, 108),
      completed: box('completed', last, 116),
      timeout: box('timeout', last, 116),
      failed: box('failed', last, 116),
      cancelled: box('cancelled', last, 116),
    },
    labels: {
      TaskSubmitted: { x: gutter + 22, y: 33, room: waiting - 22 },
      TaskScheduled: { x: gutter + 22, y: 83, room: waiting - 22 },
      'TaskStarted pending': { x: right + 12, y: 47, room: middle - right + 30 },
      'TaskStarted scheduled': { x: right + 12, y: 97, room: middle - right - 24 },
      'TaskStarted retry': { x: right + 12, y: 180, room: middle - right + 50 },
      TaskInterrupted: { x: right + 12, y: 129, room: middle - right + 10 },
      TaskRetryScheduled: { x: right + 12, y: 147, room: middle - right + 30 },
      TaskCompleted: above('completed'),
      TaskTimedOut: above('timeout'),
      TaskFailed: { ...above('failed'), y: centre.failed - 14 },
      TaskCancelled: { ...above('cancelled'), y: centre.cancelled - 14 },
      waiting: { x: right + 12, y: 199, room: last - right },
      TaskRequeued: { x: right + 12, y: 11, room: last - right },
    },
    route({ from, type, to }) {
      switch (from) {
        case 'new':
          return [
            [gutter + 14, centre[to] - half - 12],
            [gutter + 14, centre[to] - half],
          ]
        case 'failed':
        case 'timeout':
        case 'cancelled':
        case 'completed':
          return [
            [last + 116, centre[from]],
            [width - 7, centre[from]],
            [width - 7, top],
            [gutter - 11, top],
            [gutter - 11, centre.pending - 6],
            [gutter, centre.pending - 6],
          ]
        case 'running':
          return to === 'retry'
            ? type === 'TaskInterrupted'
              ? [
                  [middle + 32, centre.running + half],
                  [middle + 32, 134],
                  [gutter + 71, 134],
                  [gutter + 71, centre.retry - half],
                ]
              : [
                  [middle + 52, centre.running + half],
                  [middle + 52, centre.retry - 6],
                  [right, centre.retry - 6],
                ]
            : [
                [middle + 108, centre.running],
                [bus, centre.running],
                [bus, centre[to] - (to === 'failed' || to === 'cancelled' ? 5 : 0)],
                [last, centre[to] - (to === 'failed' || to === 'cancelled' ? 5 : 0)],
              ]
        default:
          if (to !== 'running') {
            return [
              [gutter, centre[from] + (from === 'pending' ? 6 : 0)],
              [gutter - 11, centre[from] + (from === 'pending' ? 6 : 0)],
              [gutter - 11, bottom],
              [last - 14, bottom],
              [last - 14, centre[to] + 7],
              [last, centre[to] + 7],
            ]
          }
          if (from === 'pending') {
            return [
              [right, centre.pending],
              [middle + 54, centre.pending],
              [middle + 54, centre.running - half],
            ]
          }
          return from === 'scheduled'
            ? [
                [right, centre.scheduled],
                [middle, centre.running],
              ]
            : [
                [right, centre.retry + 8],
                [middle + 72, centre.retry + 8],
                [middle + 72, centre.running + half],
              ]
      }
    },
  }
}

/** Two columns: Running under Pending, the ends in two rows at the foot. */
function narrow(width: number): Layout {
  const [half, gutter, gap] = [13, 18, 16]
  const inner = width - gutter - gap - 14
  const first = Math.round(inner * 0.43)
  const [x1, x2] = [gutter, gutter + first + gap]
  const second = inner - first
  const between = x2 - gap / 2
  const [out, rail] = [width - 2, width - 8]
  const centre = {
    pending: 39,
    scheduled: 39,
    running: 113,
    retry: 181,
    completed: 255,
    failed: 255,
    timeout: 307,
    cancelled: 307,
  }
  const box = (status: JobStatus): Box => {
    const left = status === 'pending' || status === 'running' || status === 'completed' || status === 'timeout'
    return { x: left ? x1 : x2, y: centre[status] - half, width: left ? first : second }
  }
  const down = x1 + Math.round(first / 2)
  const over = (x: number, y: number, room: number): Place => ({ x, y: y - half - 5, room })

  return {
    narrow: true,
    width,
    height: 352,
    boxHeight: 2 * half,
    boxes: {
      pending: box('pending'),
      scheduled: box('scheduled'),
      running: box('running'),
      retry: box('retry'),
      completed: box('completed'),
      failed: box('failed'),
      timeout: box('timeout'),
      cancelled: box('cancelled'),
    },
    labels: {
      TaskSubmitted: { x: x1 + 14, y: 21, room: first - 8 },
      TaskScheduled: { x: x2 + 14, y: 21, room: second - 14 },
      'TaskStarted pending': { x: down + 6, y: 90, room: width - 50 - down },
      'TaskStarted scheduled': { x: width - 44, y: 69, room: width - 50 - down, end: true },
      TaskRetryScheduled: { x: width - 43, y: 133, room: width - 43 - x1 - first, end: true },
      TaskInterrupted: { x: x1 + first - 30, y: 150, room: width - 20 - x1 - first },
      'TaskStarted retry': { x: x2 - 5, y: 195, room: x2 - 5 - x1 - 24, end: true },
      waiting: { x: width - 14, y: 213, room: width - 60, end: true },
      TaskCompleted: over(x1, centre.completed, first),
      TaskFailed: over(x2, centre.failed, second),
      TaskTimedOut: over(x1, centre.timeout, first),
      TaskCancelled: over(x2, centre.cancelled, second),
      TaskRequeued: { x: x1, y: 341, room: x2 + second / 2 - x1 },
    },
    route({ from, type, to }) {
      const up: readonly Point[] = [
        [5, centre.pending],
        [x1, centre.pending],
      ]
      switch (from) {
        case 'new':
          return [
            [(to === 'pending' ? x1 : x2) + 6, centre[to] - half - 12],
            [(to === 'pending' ? x1 : x2) + 6, centre[to] - half],
          ]
        case 'timeout':
        case 'completed':
          return [[x1, centre[from]], [5, centre[from]], ...up]
        case 'failed':
          return [[x2 + second, centre.failed + 6], [out, centre.failed + 6], [out, 346], [5, 346], ...up]
        case 'cancelled':
          return [[x2 + second / 2, centre.cancelled + half], [x2 + second / 2, 346], [5, 346], ...up]
        case 'running': {
          if (to === 'retry') {
            return type === 'TaskInterrupted'
              ? [
                  [x1 + first - 36, centre.running + half],
                  [x1 + first - 36, 155],
                  [x2 + 60, 155],
                  [x2 + 60, centre.retry - half],
                ]
              : [
                  [x1 + first, centre.running + 6],
                  [width - 38, centre.running + 6],
                  [width - 38, centre.retry - half],
                ]
          }
          const left = to === 'completed' || to === 'timeout'
          return [
            [x1 + 18, centre.running + half],
            [x1 + 18, 220],
            [between, 220],
            [between, centre[to]],
            [left ? x1 + first : x2, centre[to]],
          ]
        }
        default: {
          if (to !== 'running') {
            const start: readonly Point[] =
              from === 'pending'
                ? [
                    [x1 + first, centre.pending],
                    [between, centre.pending],
                    [between, 4],
                    [rail, 4],
                  ]
                : [
                    [x2 + second, centre[from]],
                    [rail, centre[from]],
                  ]
            return [...start, [rail, centre[to] - 6], [x2 + second, centre[to] - 6]]
          }
          if (from === 'pending') {
            return [
              [down, centre.pending + half],
              [down, centre.running - half],
            ]
          }
          return from === 'scheduled'
            ? [
                [width - 38, centre.scheduled + half],
                [width - 38, centre.running - 5],
                [x1 + first, centre.running - 5],
              ]
            : [
                [x2, centre.retry],
                [x1 + 38, centre.retry],
                [x1 + 38, centre.running + half],
              ]
        }
      }
    },
  }
}
