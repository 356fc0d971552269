/** A task on a card: what it says in every state, what can be done about it, and that everybody can read it. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { page, userEvent } from 'vitest/browser'
import type { HistoryEvent, Job } from '../../src/http/wire.ts'
import { define } from '../../web-components/shared/index.ts'
import { entriesOf } from '../../web-components/task-card/history.ts'
import '../../web-components/task-card/index.ts'
import { aJob, aProblem, FakeBoardServer } from './fake-board-server.ts'
import { all, eventually, expectAccessible, frames, inside, one, show, words } from './support.ts'

let server: FakeBoardServer

beforeEach(() => {
  server = new FakeBoardServer()
})
afterEach(() => {
  document.body.replaceChildren()
  server[Symbol.dispose]()
})

const soon = (ms: number) => new Date(Date.now() + ms).toISOString()

async function card(facts: Partial<Job>, message?: string) {
  const job = aJob({ id: 'task-1', title: 'October ledger', task_name: 'ledger_report', ...facts })
  server.jobs.set(job.id, job)
  const element = document.createElement('capsule-task-card')
  element.src = server.base
  element.jobId = job.id
  if (message) element.message = message
  show(element)
  const root = await inside(element)
  await eventually(() => root.querySelector('.card:not(.blank)'), 'the job')
  return {
    element,
    root,
    text: () => words(root),
    button: (name: string) => all(root, 'button').find((each) => words(each) === name),
  }
}

describe('says', () => {
  test('how long it is queued and what it waits for', async () => {
    const { text, button } = await card({
      submitted_at: soon(-4200),
      waiting_for: 'lock index:catalog, 1st in line',
    })
    expect(text()).toContain('Queued 4 s')
    expect(text()).toContain('Waits for lock index:catalog, 1st in line')
    expect(button('Cancel')).toBeDefined()
  })

  test('when a scheduled one starts, relative and absolute', async () => {
    const { text } = await card({ status: 'scheduled', run_at: soon(24 * 60_000 + 20_000) })
    expect(text()).toMatch(/Starts in 24:(20|19)/)
    expect(text()).toMatch(/(Today|Tomorrow) \d\d:\d\d:\d\d \S+/)
  })

  test('of an occurrence of a schedule when it was due, as all times are told', async () => {
    const { root } = await card({ title: new Date().toISOString(), task_name: 'schedule:nightly' })
    expect(words(one(root, '.name'))).toMatch(/^Today \d\d:\d\d:\d\d \S+$/)
  })

  test('how far a running one is, with attempt and deadline', async () => {
    const { text, root } = await card({
      status: 'running',
      progress: { fraction: 0.62, message: null },
      attempt: 2,
      started_at: soon(-29_500),
      deadline: soon(91_500),
    })
    expect(text()).toContain('62%')
    expect(text()).toContain('29 s elapsed, attempt 2, deadline in 1 min 31 s')
    expect(one(root, '[role=progressbar]').getAttribute('aria-valuenow')).toBe('62')
  })

  test('no bar where progress is not known', async () => {
    const { root } = await card({ status: 'running', started_at: soon(-2000) })
    expect(root.querySelector('[role=progressbar]')).toBeNull()
  })

  test('the whole reason of a failure', async () => {
    const message = 'period 2026-10 is locked by close_books until 14:30, and a long sentence follows so that it wraps'
    const { text, root } = await card({
      status: 'failed',
      attempt: 2,
      error: { type: 'LedgerClosedError', message, retryable: false },
    })
    expect(text()).toContain('Failed after 2 attempts')
    const why = one(root, '.why')
    expect(words(why)).toBe(`LedgerClosedError: ${message}`)
    expect(why.scrollWidth).toBeLessThanOrEqual(why.clientWidth)
  })

  test('who cancelled it', async () => {
    const { text } = await card({ status: 'cancelled', cancelled_by: 'user:M. Brandt', finished_at: soon(-1000) })
    expect(text()).toContain('Cancelled by M. Brandt, today')
  })

  test('one line of the result, and the message in place of the title', async () => {
    const { text } = await card(
      { status: 'completed', result: { ok: true }, started_at: soon(-5000), finished_at: soon(0) },
      'Building daily report',
    )
    expect(text()).toContain('Building daily report')
    expect(text()).not.toContain('October ledger')
    expect(text()).toContain('Completed in 5.0 s')
    expect(text()).toContain('{ ok: true }')
  })
})

describe('follows', () => {
  test('the job as it changes', async () => {
    const { root } = await card({ status: 'running' })
    server.update('task-1', { status: 'completed', result: 'done' })
    await eventually(() => words(root).includes('Completed'))
  })

  test('a job it is given, without asking the server', async () => {
    const element = show(document.createElement('capsule-task-card'))
    element.src = server.base
    element.job = aJob({ title: 'given' })
    const root = await inside(element)
    await eventually(() => words(root).includes('given'))
    expect(server.frames.filter((frame) => frame.type === 'subscribe')).toEqual([])
  })

  test('announces a new state as a sentence', async () => {
    await card({ status: 'running' })
    server.update('task-1', { status: 'failed', error: { type: 'Error', message: 'no ink', retryable: false } })
    await eventually(() => words(document.getElementById('capsule-announcer')) === 'October ledger: Failed. no ink')
  })

  test('says when there is no such job', async () => {
    const element = document.createElement('capsule-task-card')
    element.src = server.base
    element.jobId = 'nobody'
    show(element)
    const root = await inside(element)
    await eventually(() => words(root).includes('There is no job nobody.'))
  })

  test('keeps what a conversation said of a job that is not kept any more', async () => {
    const element = document.createElement('capsule-task-card')
    element.src = server.base
    element.jobId = 'retired'
    element.message = 'Building daily report'
    show(element)
    const root = await inside(element)
    await eventually(() => words(root).includes('There is no job retired.'))
    expect(words(root)).toContain('Building daily report')
    expect(words(root)).not.toContain('Loading')
    expect(root.querySelector('button')).toBeNull()
  })
})

describe('many on one page', () => {
  test('share one connection, which outlives a move in the page', async () => {
    const jobs = [aJob({ title: 'first' }), aJob({ title: 'second' })]
    server.put(...jobs)
    const list = document.createElement('div')
    for (const job of jobs) {
      const element = document.createElement('capsule-task-card')
      element.src = `${server.base}/`
      element.jobId = job.id
      list.append(element)
    }
    show(list)
    const [first, second] = list.children
    await eventually(() => words(first?.shadowRoot).includes('first') && words(second?.shadowRoot).includes('second'))
    if (first) list.append(first)
    server.update(jobs[0]?.id ?? '', { status: 'running', started_at: soon(0) })
    await eventually(() => words(first?.shadowRoot).includes('Running'))
    expect(server.frames.filter((frame) => frame.type === 'hello')).toHaveLength(1)
  })

  test('a second copy of the bundle does not throw at registration', () => {
    class Other extends HTMLElement {}
    expect(() => define('capsule-task-card', Other)).not.toThrow()
    expect(document.createElement('capsule-task-card')).not.toBeInstanceOf(Other)
  })
})

describe('acts', () => {
  test('cancels, and shows what came of it', async () => {
    const { root, button } = await card({ status: 'running' })
    button('Cancel')?.click()
    await eventually(() => words(root).includes('Cancelled by local'))
    expect(server.commands.map((frame) => [frame.name, frame.payload])).toEqual([['job.cancel', { id: 'task-1' }]])
  })

  test('does one thing while Enter is held, although Retry comes where Cancel was', async () => {
    const { root, button } = await card({ status: 'running' })
    button('Cancel')?.focus()
    await userEvent.keyboard('{Enter>50/}')
    expect(button('Retry')).toBeDefined()
    expect(server.commands.map(({ name }) => name)).toEqual(['job.cancel'])
    await userEvent.keyboard('{Enter}')
    await eventually(() => words(root).includes('Queued'), 'a second press')
  })

  test('says why it was refused, and offers the action again', async () => {
    const { root, button } = await card({ status: 'failed' })
    server.refuse = () => aProblem('lock-held', 'Lock held', 'report:2026-10 is held by close_books until 14:30.')
    button('Retry')?.click()
    const alert = await eventually(() => root.querySelector('[role=alert]'))
    expect(words(alert)).toBe('report:2026-10 is held by close_books until 14:30.')
    expect(button('Retry')?.hasAttribute('aria-disabled')).toBe(false)
  })

  test('keeps the focus when what was asked for is done and its button goes', async () => {
    const { element, root, button } = await card({ status: 'running' })
    button('Cancel')?.focus()
    element.job = aJob({ status: 'running', cancel_requested: true })
    await element.updateComplete
    expect(root.activeElement).toBe(one(root, '.name'))
  })

  test('offers what the machine accepts and nothing else', async () => {
    const { button } = await card({ status: 'completed' })
    expect(button('Cancel')).toBeUndefined()
    expect(button('Retry')).toBeUndefined()
  })

  test('tells progress that was reported over and over in one line', async () => {
    const at = '2026-01-01T00:00:00.000Z'
    const event = (type: string, data: HistoryEvent['data'] = {}): HistoryEvent => ({
      type,
      at,
      by: 'node:one',
      position: '1',
      revision: 0,
      data,
      hash: null,
    })
    const progress = (n: number) => event('TaskProgressed', { fraction: n / 10 })
    const history = [
      event('TaskStarted'),
      progress(1),
      progress(2),
      progress(3),
      event('TaskDeadlineExtended'),
      progress(4),
    ]
    expect(entriesOf(history).map(({ event: { type, data }, reports }) => [type, data.fraction, reports])).toEqual([
      ['TaskProgressed', 0.4, 1],
      ['TaskDeadlineExtended', undefined, 1],
      ['TaskProgressed', 0.3, 3],
      ['TaskStarted', undefined, 1],
    ])
  })

  test('opens the detail with its history, and gives the focus back', async () => {
    server.history = [
      {
        type: 'TaskSubmitted',
        at: soon(-9000),
        by: 'user:M. Brandt',
        position: '7',
        revision: 0,
        data: {},
        hash: null,
      },
      {
        type: 'TaskWriteRefused',
        at: soon(-3000),
        by: 'node:node-2',
        position: '9',
        revision: 1,
        data: { attempt: 1, node: 'node-2', tried: 'to complete it', reason: 'Its claim had ended.' },
        hash: null,
      },
      { type: 'FromTheFuture', at: soon(-1000), by: 'system', position: '10', revision: 2, data: {}, hash: null },
    ]
    const { root } = await card({
      status: 'failed',
      error: { type: 'Error', message: 'no ink', retryable: false },
      error_traceback: 'at print (ink.ts:1)',
    })
    const details = one(root, '[aria-label^="Details of"]')
    details.focus()
    details.click()
    const detail = await eventually(() => root.querySelector('capsule-task-detail'))
    const within = await inside(detail)
    await eventually(() => within.querySelectorAll('.event').length === 3, 'the history')
    expect(all(within, '.event .medium').map(words)).toEqual([
      'FromTheFuture',
      'Refused a late write of attempt 1',
      'Submitted',
    ])
    expect(words(within)).toContain('No cancel: it has ended')
    await expectAccessible(detail)
    one(within, '#tab-values').click()
    await eventually(() => words(within).includes('at print (ink.ts:1)'))
    detail.close()
    await eventually(() => !root.contains(detail))
    expect(root.activeElement).toBe(details)
  })
})

describe('looks', () => {
  const states: Partial<Job>[] = [
    { status: 'pending', waiting_for: 'lock index:catalog, 1st in line' },
    { status: 'scheduled', run_at: soon(600_000) },
    { status: 'running', progress: { fraction: 0.6, message: 'page 31 of 50' }, started_at: soon(-1000) },
    {
      status: 'retry',
      run_at: soon(8000),
      error: { type: 'Error', message: 'ECONNRESET', retryable: true },
      failures: 1,
    },
    { status: 'completed', result: { ok: true } },
    { status: 'failed', error: { type: 'Error', message: 'no ink', retryable: false } },
    { status: 'timeout', error: { type: 'Error', message: 'No answer within 2 min', retryable: true } },
    { status: 'cancelled', cancelled_by: 'user:local', finished_at: soon(0) },
  ]

  test.each(['light', 'dark'])('accessible in every state, %s, also 320 px wide', async (theme) => {
    const list = document.createElement('div')
    list.dataset.theme = theme
    list.style.background = 'var(--capsule-surface)'
    for (const facts of states) {
      const element = document.createElement('capsule-task-card')
      element.job = aJob({ ...facts, title: `A report ${facts.status}` })
      list.append(element)
    }
    show(list)
    await inside(one(list, 'capsule-task-card') as HTMLElementTagNameMap['capsule-task-card'])
    await expectAccessible(list)
    await page.viewport(320, 800)
    try {
      await expectAccessible(list)
      expect(document.documentElement.scrollWidth).toBeLessThanOrEqual(320)
    } finally {
      await page.viewport(1280, 800)
    }
  })

  test('a narrow one that completed leaves the room to its title', async () => {
    const { element, root } = await card({
      status: 'completed',
      result: { ok: true },
      started_at: '2026-11-22T14:00:00.000Z',
      finished_at: '2026-11-22T14:00:05.000Z',
    })
    expect(one(root, '.fact').innerText).toBe('Completed in 5.0 s')
    element.style.width = '320px'
    await frames(2)
    expect(one(root, '.fact').innerText).toBe('Completed')
  })

  test('gives the result the room that actions would have', async () => {
    const { root } = await card({ status: 'completed', result: { invoice: 'Invoice 2026-118349', pages: 3 } })
    const [body, fact] = ['.body', '.fact'].map((each) => one(root, each).getBoundingClientRect().right)
    expect(body).toBe(fact)
  })

  test('a narrow one cuts no reason off and lets what is secondary go', async () => {
    const { element, root } = await card({
      status: 'retry',
      error: { type: 'Error', message: `https://example.com/${'no-blank'.repeat(20)}`, retryable: true },
      failures: 1,
    })
    element.style.width = '320px'
    await frames(2)
    const reason = one(root, '.body p')
    expect(reason.scrollWidth).toBeLessThanOrEqual(reason.clientWidth)
    expect(one(root, '.actions').getBoundingClientRect().top).toBeGreaterThan(reason.getBoundingClientRect().bottom)
    element.job = aJob({ status: 'running', started_at: soon(-1000), node: 'worker-17' })
    await element.updateComplete
    expect(one(root, '.body').innerText).toMatch(/^Since \d\d:\d\d:\d\d$/)
  })

  test('the page’s own CSS does not reach in, its tokens do', async () => {
    const hostile = new CSSStyleSheet()
    hostile.replaceSync(
      'body, body * { color: rgb(1, 2, 3); font: 40px serif; text-transform: uppercase; letter-spacing: 9px } :root { --capsule-muted: rgb(9, 8, 7) }',
    )
    document.adoptedStyleSheets.push(hostile)
    try {
      const { root } = await card({ status: 'completed' })
      const style = getComputedStyle(one(root, '.name'))
      expect([style.fontSize, style.textTransform, style.letterSpacing]).toEqual(['13px', 'none', 'normal'])
      expect(style.color).not.toBe('rgb(1, 2, 3)')
      expect(getComputedStyle(one(root, '.fact')).color).toBe('rgb(9, 8, 7)')
    } finally {
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => sheet !== hostile)
    }
  })

  test('a countdown does not move what is beside it', async () => {
    const { root, element } = await card({ status: 'scheduled', run_at: soon(61_000) })
    const before = element.getBoundingClientRect().height
    const width = () => one(root, '.name').getBoundingClientRect().left
    const left = width()
    server.update('task-1', { run_at: soon(8_000) })
    await eventually(() => /00:0[78]/.test(words(root)))
    expect(width()).toBe(left)
    expect(element.getBoundingClientRect().height).toBe(before)
  })
})

test('a card given a task that is not there shows no other', async () => {
  const job = aJob({ title: 'October ledger' })
  server.jobs.set(job.id, job)
  const card = document.createElement('capsule-task-card')
  card.src = server.base
  card.jobId = job.id
  show(card)
  const root = await inside(card)
  await eventually(() => words(root).includes('October ledger'))
  card.jobId = 'nothing'
  await eventually(() => words(root).includes('There is no job nothing.'))
  expect(words(root)).not.toContain('October ledger')
})
