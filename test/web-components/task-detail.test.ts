/** The detail of a task: its states with the present one lit, and the way the task took through them. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { page } from 'vitest/browser'
import type { HistoryEvent, Job, JobStatus } from '../../src/http/wire.ts'
import '../../web-components/task-card/index.ts'
import { TRANSITIONS } from '../../web-components/task-card/path.ts'
import { CapsuleTaskDetail } from '../../web-components/task-card/task-detail.ts'
import { aJob, FakeBoardServer } from './fake-board-server.ts'
import {
  all,
  emulate,
  eventually,
  expectAccessible,
  inside,
  one,
  readsFromLeft,
  rightToLeft,
  show,
  words,
} from './support.ts'

let server: FakeBoardServer

beforeEach(() => {
  server = new FakeBoardServer()
})
afterEach(async () => {
  document.body.replaceChildren()
  server[Symbol.dispose]()
  await page.viewport(1280, 800)
})

const STATES: readonly JobStatus[] = [
  'pending',
  'scheduled',
  'running',
  'retry',
  'completed',
  'failed',
  'cancelled',
  'timeout',
]

/** A history of these types, the last one a second ago. */
function past(...types: string[]): HistoryEvent[] {
  return types.map((type, at) => ({
    type,
    at: new Date(Date.now() - 1000 * (types.length - at)).toISOString(),
    by: 'system',
    position: String(at + 1),
    revision: at,
    data: {},
    hash: null,
  }))
}

async function detail(facts: Partial<Job>, history: HistoryEvent[] = []) {
  server.history = history
  const job = aJob({ id: 'task-1', title: 'October ledger', ...facts })
  server.jobs.set(job.id, job)
  const near = show(document.createElement('div'))
  const element = CapsuleTaskDetail.open(near, server.base, job.id)
  const root = await inside(element)
  await eventually(() => root.querySelector('.statechart'), 'the statechart')
  await eventually(() => root.querySelectorAll('.event').length === history.length, 'the history')
  const state = (status: JobStatus) => one(root, `[data-state=${status}]`)
  return {
    element,
    near,
    root,
    state,
    chart: () => one(root, '.statechart'),
    /** States by how they are drawn. */
    drawn: (how: 'current' | 'visited') => all(root, `.state.${how}`).map((each) => each.dataset.state),
    /** "1 TaskSubmitted" for every label of the path. */
    path: () => all(root, '.step').map((each) => `${words(one(each, '.number'))} ${words(one(each, '.label'))}`),
  }
}

describe('lights', () => {
  test.each(STATES)('%s alone, in its own hue', async (status) => {
    const { drawn, state, chart } = await detail({ status })
    expect(drawn('current')).toEqual([status])
    expect(drawn('visited')).toEqual([])
    const { stroke } = getComputedStyle(one(state(status), 'rect'))
    const hue = getComputedStyle(state(status)).getPropertyValue(`--capsule-status-${status}`)
    expect(chart().getAttribute('aria-label')).toContain(`Now: ${words(state(status))}.`)
    const probe = show(document.createElement('i'))
    probe.style.color = hue
    expect(stroke).toBe(getComputedStyle(probe).color)
  })

  test('the next state when the job changes, and adds the step to the path', async () => {
    const { drawn, path } = await detail({ status: 'running' }, past('TaskSubmitted', 'TaskStarted'))
    expect(drawn('current')).toEqual(['running'])
    server.history = past('TaskSubmitted', 'TaskStarted', 'TaskCompleted')
    server.update('task-1', { status: 'completed' })
    await eventually(() => path().length === 3, 'the third step')
    // Of a history that was shown, only what is new is fetched.
    expect(server.asked.filter((path) => path.includes('$events'))).toEqual([
      '/api/v1/jobs/task-1/$events',
      '/api/v1/jobs/task-1/$events?after=1',
    ])
    expect(drawn('current')).toEqual(['completed'])
    expect(drawn('visited')).toEqual(['pending', 'running'])
    expect(path()).toContain('3 TaskCompleted')
  })
})

describe('marks the path', () => {
  test('in the order it was taken, with the time, and without what is no transition', async () => {
    const history = past(
      'TaskSubmitted',
      'TaskStarted',
      'TaskProgressed',
      'TaskInterrupted',
      'FromTheFuture',
      'TaskStarted',
    )
    const { drawn, path, root, chart } = await detail({ status: 'running' }, history)
    expect(path().sort()).toEqual(['1 TaskSubmitted', '2 TaskStarted', '3 TaskInterrupted', '4 TaskStarted'])
    expect(drawn('visited')).toEqual(['pending', 'retry'])
    expect(all(root, '.edge.taken')).toHaveLength(4)
    expect(all(root, '.step .time').map(words)).toContainEqual(expect.stringMatching(/^\d\d:\d\d:\d\d$/))
    expect(chart().getAttribute('aria-label')).toMatch(
      /^States of the task\. Now: Running\. Path: Pending by TaskSubmitted [\d:]+, Running by TaskStarted [\d:]+, Waiting to retry by TaskInterrupted [\d:]+, Running by TaskStarted [\d:]+\.$/,
    )
  })

  test('counts visits where there were more than one', async () => {
    const history = past(
      'TaskScheduled',
      ...[
        'TaskStarted',
        'TaskRetryScheduled',
        'TaskStarted',
        'TaskRetryScheduled',
        'TaskStarted',
        'TaskRetryScheduled',
      ],
      ...['TaskStarted', 'TaskFailed', 'TaskRequeued'],
    )
    const { state, path } = await detail({ status: 'pending' }, history)
    const count = (status: JobStatus) => words(state(status).querySelector('.count'))
    expect([count('running'), count('retry'), count('scheduled'), count('failed')]).toEqual(['×4', '×3', '', ''])
    expect(path().sort()).toEqual([
      '1 TaskScheduled',
      '10 TaskRequeued',
      '2 TaskStarted',
      '3 … 7 TaskRetryScheduled',
      '4 … 8 TaskStarted',
      '9 TaskFailed',
    ])
  })

  test('of a wait that was cancelled past Running, not through it', async () => {
    const { path, root, drawn } = await detail({ status: 'cancelled' }, past('TaskSubmitted', 'TaskCancelled'))
    expect(drawn('visited')).toEqual(['pending'])
    expect(path().sort()).toEqual(['1 TaskSubmitted', '2 TaskCancelled'])
    // The transition from Running stays as it could have been.
    expect(all(root, '.statechart > .label').map(words)).toContain('TaskCancelled')
  })

  test('reads out the end of a long one and counts the rest', async () => {
    const many = Array.from({ length: 20 }, () => ['TaskStarted', 'TaskInterrupted']).flat()
    const { chart } = await detail({ status: 'retry' }, past('TaskSubmitted', ...many))
    const told = chart().getAttribute('aria-label') ?? ''
    expect(told).toContain('Path: 29 earlier steps, ')
    expect(told.match(/ by Task/g)).toHaveLength(12)
  })
})

describe('looks', () => {
  /** Through every state, every line of Running, more than twice. */
  const everywhere = past(
    'TaskSubmitted',
    ...Array.from({ length: 3 }, () => [
      ...[
        'TaskStarted',
        'TaskRetryScheduled',
        'TaskStarted',
        'TaskInterrupted',
        'TaskStarted',
        'TaskTimedOut',
        'TaskRequeued',
      ],
      ...['TaskStarted', 'TaskFailed', 'TaskRequeued', 'TaskFailed', 'TaskRequeued', 'TaskCancelled', 'TaskRequeued'],
      ...['TaskStarted', 'TaskCancelled', 'TaskRequeued'],
    ]).flat(),
    'TaskStarted',
    'TaskCompleted',
  )
  const histories: [string, HistoryEvent[]][] = [
    ['a task that went nowhere', []],
    ['a task that went everywhere', everywhere],
  ]

  describe.each(histories)('%s', (_, history) => {
    test.each([320, 390, 700, 760, 1000, 1280])(
      'has all states and types, none over another, %i px wide, also in a wide font',
      async (width) => {
        await page.viewport(width, 800)
        const { element, root, chart, near } = await detail(
          { status: history.length ? 'completed' : 'pending' },
          history,
        )
        expectApart(root)
        const named = words(chart())
        for (const { type } of TRANSITIONS) expect(named).toContain(type)
        expect(all(root, '.edge')).toHaveLength(TRANSITIONS.length)
        expect(document.documentElement.scrollWidth).toBeLessThanOrEqual(width)
        expect(one(root, 'dialog').scrollWidth).toBeLessThanOrEqual(one(root, 'dialog').clientWidth)

        near.style.setProperty('--capsule-font', 'monospace')
        element.requestUpdate()
        await element.updateComplete
        expectApart(root)
      },
    )
  })

  test.each([
    ['light', 1280],
    ['light', 320],
    ['dark', 1280],
    ['dark', 320],
  ])('accessible, its words and lines to be seen, %s, %i px wide', async (theme, width) => {
    await page.viewport(width, 800)
    document.documentElement.dataset.theme = theme
    try {
      const { root, chart, element } = await detail({ status: 'running' }, past('TaskSubmitted', 'TaskStarted'))
      const ground = getComputedStyle(one(root, '.chart')).backgroundColor
      for (const label of all(root, '.statechart .label')) {
        expect(contrast(getComputedStyle(label).fill, ground), words(label)).toBeGreaterThanOrEqual(4.5)
      }
      for (const number of all(root, '.step')) {
        const pill = getComputedStyle(one(number, 'rect')).fill
        expect(contrast(getComputedStyle(one(number, '.number')).fill, pill)).toBeGreaterThanOrEqual(4.5)
      }
      for (const state of all(root, '.state')) {
        const fill = getComputedStyle(one(state, 'rect')).fill
        expect(contrast(getComputedStyle(one(state, 'text')).fill, fill)).toBeGreaterThanOrEqual(4.5)
      }
      for (const line of all(root, '.edge path:not(.head)')) {
        expect(contrast(getComputedStyle(line).stroke, ground)).toBeGreaterThanOrEqual(3)
      }
      expect(chart().classList.contains('narrow')).toBe(width === 320)
      await expectAccessible(element)
    } finally {
      delete document.documentElement.dataset.theme
    }
  })

  test('a start of the past turns no more', async () => {
    const { root } = await detail({ status: 'failed' }, past('TaskSubmitted', 'TaskStarted', 'TaskFailed'))
    expect(one(root, '.event[data-status=running]').getAnimations({ subtree: true })).toEqual([])
  })

  test('the present state stands out in forced colours, and nothing moves where motion is reduced', async () => {
    await emulate({ name: 'forced-colors', value: 'active' }, { name: 'prefers-reduced-motion', value: 'reduce' })
    try {
      const { root, state, element } = await detail({ status: 'running' }, past('TaskSubmitted', 'TaskStarted'))
      expect(matchMedia('(forced-colors: active)').matches).toBe(true)
      const fill = (status: JobStatus) => getComputedStyle(one(state(status), 'rect')).fill
      expect(fill('running')).not.toBe(fill('pending'))
      expect(fill('pending')).toBe(fill('failed'))
      expect(contrast(getComputedStyle(one(state('running'), 'text')).fill, fill('running'))).toBeGreaterThanOrEqual(
        4.5,
      )
      expect(root.querySelector('.edge.taken')?.getAnimations({ subtree: true }) ?? []).toEqual([])
      expect(state('running').getAnimations({ subtree: true })).toEqual([])
      await expectAccessible(element)
    } finally {
      await emulate()
    }
  })

  test('grows with the reader’s text size', async () => {
    const { chart } = await detail({ status: 'running' })
    const size = () => one(chart(), '.label').getBoundingClientRect().height
    const before = size()
    document.documentElement.style.fontSize = '20px'
    try {
      server.update('task-1', { progress: { fraction: 0.5, message: null } })
      await eventually(() => size() > before * 1.2, 'larger labels')
    } finally {
      document.documentElement.style.fontSize = ''
    }
  })
})

/** Expects every text of the statechart in its frame, over no other text, and labels over no state. */
function expectApart(root: ShadowRoot): void {
  const frame = one(root, '.chart').getBoundingClientRect()
  const boxes = (selector: string) =>
    all(root, `.statechart ${selector}`).map((each) => ({ text: words(each), box: each.getBoundingClientRect() }))
  const labels = [...boxes('.label'), ...boxes('.number')]
  const names = boxes('.state > text')
  const states = boxes('.state > rect').map(({ box }, at) => ({ text: `the state ${names[at]?.text}`, box }))
  for (const { text, box } of [...labels, ...names]) {
    expect(box.left, text).toBeGreaterThanOrEqual(frame.left)
    expect(box.right, text).toBeLessThanOrEqual(frame.right)
  }
  const over = labels.flatMap((label, at) =>
    [...labels.slice(at + 1), ...states]
      .filter(({ box }) => meet(label.box, box))
      .map(({ text }) => `${label.text} over ${text}`),
  )
  expect(over).toEqual([])
  for (const [at, { text, box }] of names.entries()) {
    expect(box.right, text).toBeLessThanOrEqual(states[at]?.box.right ?? 0)
  }
}

/** Whether they share more than the hair that rounding and the air around letters leave. */
function meet(a: DOMRect, b: DOMRect): boolean {
  return a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2
}

/** The contrast of two `rgb(…)` by WCAG. */
function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
}

function luminance(color: string): number {
  const [r = 0, g = 0, b = 0] = (color.match(/[\d.]+/g) ?? []).map((part) => {
    const value = Number(part) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

describe('a double click', () => {
  test('opens one detail, however long its code is on its way', async () => {
    const { near, element } = await detail({})
    CapsuleTaskDetail.open(near, server.base, 'task-1')
    expect(all(near, 'capsule-task-detail')).toEqual([element])
  })

  test('beside where the detail comes up leaves it open; a click there shuts it', async () => {
    const { near, root } = await detail({})
    const dialog = root.querySelector('dialog')
    dialog?.dispatchEvent(new MouseEvent('click', { bubbles: true, detail: 2 }))
    expect(dialog?.open).toBe(true)
    dialog?.dispatchEvent(new MouseEvent('click', { bubbles: true, detail: 1 }))
    await eventually(() => all(near, 'capsule-task-detail').length === 0)
  })
})

test('says so where the browser does not let it copy, as on a page without https', async () => {
  const { root } = await detail({})
  const clipboard = Object.getOwnPropertyDescriptor(navigator, 'clipboard')
  Object.defineProperty(navigator, 'clipboard', { configurable: true, value: undefined })
  one(root, '[aria-label="Copy id"]').click()
  await eventually(() => words(root).includes('The browser did not allow copying.'))
  if (clipboard) Object.defineProperty(navigator, 'clipboard', clipboard)
  else Reflect.deleteProperty(navigator, 'clipboard')
})

describe('the dialog', () => {
  const failed: Partial<Job> = {
    status: 'failed',
    error: { type: 'LedgerClosedError', message: 'period 2026-10 is locked', retryable: true },
    error_traceback: 'LedgerClosedError: locked\n    at close (ledger.ts:23:9)',
    started_at: '2026-11-22T14:00:00.000Z',
    finished_at: '2026-11-22T14:00:00.300Z',
  }

  test('reads facts, refusals and traces in their own order in a page that reads from right to left', async () => {
    await rightToLeft(async () => {
      const { root } = await detail(failed)
      for (const each of [...all(root, '.facts dd'), one(root, '.refused span')]) {
        if (words(each).length > 1) expect(readsFromLeft(each), words(each)).toBe(true)
      }
      one(root, '#tab-values').click()
      const values = await eventually(() => all(root, '.values pre').length > 1 && all(root, '.values pre'))
      for (const each of values) expect(getComputedStyle(each).direction).toBe('ltr')
    })
  })

  test('cuts off no title on a phone: there is no hovering over the rest', async () => {
    await page.viewport(360, 800)
    const title = 'Statement of the warehouse in Antwerp, the hall behind the second dock'
    const { root } = await detail({ ...failed, title })
    const heading = one(root, 'h2')
    expect(heading.scrollWidth).toBeLessThanOrEqual(heading.clientWidth)
    expect(heading.clientHeight).toBeGreaterThan(30)
  })

  test('underlines the tab shown and no other where colours are forced', async () => {
    const { root } = await detail(failed)
    await emulate({ name: 'forced-colors', value: 'active' })
    try {
      const [shown, other] = all(root, '.tabs button').map((each) => getComputedStyle(each).borderBottomColor)
      const page = getComputedStyle(one(root, 'dialog')).backgroundColor
      expect(other).toBe(page)
      expect(shown).not.toBe(page)
    } finally {
      await emulate()
    }
  })
})
