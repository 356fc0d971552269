/** The board against a server that speaks the protocol: what it draws, asks, moves, does, and who can use it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { page, userEvent } from 'vitest/browser'
import type { Job, TaskInfo } from '../../src/http/wire.ts'
import '../../web-components/task-board/index.ts'
import { aJob, aProblem, FakeBoardServer } from './fake-board-server.ts'
import {
  all,
  eventually,
  expectAccessible,
  frames,
  gapAtRight,
  inside,
  one,
  rightToLeft,
  show,
  words,
} from './support.ts'

let server: FakeBoardServer

beforeEach(async () => {
  server = new FakeBoardServer()
  await page.viewport(1280, 800)
})
afterEach(() => {
  document.body.replaceChildren()
  server[Symbol.dispose]()
})

type Board = HTMLElementTagNameMap['capsule-task-board']
const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString()

function many(n: number, make: (index: number) => Partial<Job>): Job[] {
  return Array.from({ length: n }, (_, index) =>
    aJob({ id: `task-${String(index).padStart(6, '0')}`, title: `Invoice ${index}`, ...make(index) }),
  )
}

const completed = (n: number) =>
  many(n, (index) => ({ status: 'completed', started_at: ago(index * 10 + 2), finished_at: ago(index * 10) }))

async function board(jobs: readonly Job[], set: (element: Board) => void = () => {}) {
  for (const job of jobs) server.jobs.set(job.id, job)
  const element = document.createElement('capsule-task-board')
  element.src = server.base
  element.style.height = '700px'
  set(element)
  show(element)
  const root = await inside(element)
  await eventually(
    () => !root.querySelector('.columns[aria-busy=true]') && root.querySelector('.head .total:not(:empty)'),
    'the board',
  )
  await frames(3)
  const column = (label: string) => one(root, `.column[aria-label^="${label}"]`)
  const cards = (label: string) => all(root, `.column[aria-label^="${label}"] [data-id]`)
  const titles = (label: string) => cards(label).map((card) => words(card.querySelector('.open')))
  const open = (title: string) => one(root, `.open[aria-label^="${title},"]`)
  const pick = (title: string) => one(root, `.pick[aria-label="Select ${title}"]`)
  const list = (label: string) => one(column(label), '.list')
  const footer = (label: string) => words(column(label).querySelector('footer'))
  const focusedTitle = () => words(root.activeElement)
  const press = (key: string) => userEvent.keyboard(key)
  return { element, root, column, cards, titles, open, pick, list, footer, focusedTitle, press }
}

describe('shows', () => {
  test('jobs in columns by status, in the order of each, with counts', async () => {
    const { titles, root, footer } = await board([
      aJob({ title: 'later', status: 'scheduled', run_at: ago(-900) }),
      aJob({ title: 'sooner', status: 'scheduled', run_at: ago(-60) }),
      aJob({ title: 'again', status: 'retry', submitted_at: ago(20), run_at: ago(-8) }),
      aJob({ title: 'now', status: 'running', progress: { fraction: 0.4, message: null } }),
      aJob({
        title: 'gone wrong',
        status: 'failed',
        finished_at: ago(5),
        error: { type: 'TemplateError', message: 'unknown field', retryable: false },
      }),
    ])
    expect(titles('Scheduled')).toEqual(['sooner', 'later'])
    expect(titles('Queued')).toEqual(['again'])
    expect(titles('Running')).toEqual(['now'])
    expect(words(one(root, '.head .total'))).toBe('5')
    expect(footer('Scheduled')).toBe('All 2next first')
    expect(words(root)).toContain('TemplateError: unknown field')
    expect(words(root)).toContain('Live position 48,211')
  })

  test('the columns and the filter it is given, which its chips then do not offer', async () => {
    const jobs = [aJob({ task_name: 'a', status: 'completed' }), aJob({ task_name: 'b', status: 'completed' })]
    const { root, titles } = await board(jobs, (element) => {
      element.setAttribute('filter', '{"task_name":"a"}')
      element.setAttribute('columns', '[{"label":"Done","statuses":["completed"]}]')
      element.setAttribute('heading', 'Reports')
    })
    expect(all(root, '.column')).toHaveLength(1)
    expect(titles('Done')).toHaveLength(1)
    expect(words(one(root, 'h2'))).toBe('Reports')
    expect(all(root, '.chip').map(words)).toEqual(['Last 24 hours', 'Tag'])
  })

  test('the default heading again once its own is taken away', async () => {
    const { element, root } = await board([aJob({ title: 'now', status: 'running' })])
    element.setAttribute('heading', 'Reports')
    await eventually(() => words(one(root, 'h2')) === 'Reports', 'its own')
    element.removeAttribute('heading')
    await eventually(() => words(one(root, 'h2')) === 'Tasks', 'the default')
  })

  test('changes as they come, and says nothing twice', async () => {
    const job = aJob({ title: 'daily', status: 'running' })
    const { titles } = await board([job])
    server.update(job.id, { status: 'completed', finished_at: ago(0) })
    await eventually(() => titles('Completed').includes('daily'))
    expect(titles('Running')).toEqual([])
  })

  test('changes no more often than refresh-ms', async () => {
    const every = 400
    const job = aJob({ title: 'daily', status: 'running', progress: { fraction: 0.5, message: 'step 0' } })
    const { cards } = await board([job], (element) => element.setAttribute('refresh-ms', String(every)))
    const shown: string[] = []
    const began = performance.now()
    for (let step = 1; step <= 30; step++) {
      server.update(job.id, { progress: { fraction: 0.5, message: `step ${step}` } })
      await frames(1)
      const [now = ''] = /step \d+/.exec(words(cards('Running')[0])) ?? []
      if (now !== shown.at(-1)) shown.push(now)
    }
    // What the page showed before counts for one; a slow machine has had time for more.
    expect(shown.length).toBeLessThanOrEqual(2 + Math.floor((performance.now() - began) / every))
    await eventually(() => words(cards('Running')[0]).includes('step 30'), 'the last')
  })
})

describe('ten thousand tasks', () => {
  test('cost what is in view', async () => {
    const { root, footer, list } = await board(completed(10_000))
    expect(all(root, '[data-id]').length).toBeLessThanOrEqual(150)
    expect(footer('Completed')).toMatch(/^1 to \d+ of 10,000newest first$/)
    list('Completed').scrollTop = list('Completed').scrollHeight
    await eventually(() => words(root).includes('Invoice 9999'))
    expect(footer('Completed')).toMatch(/to 10,000 of 10,000/)
    expect(all(root, '[data-id]').length).toBeLessThanOrEqual(150)
  })

  test('are asked for as one scrolls, in windows', async () => {
    const { list, cards, root } = await board(completed(10_000))
    list('Completed').scrollTop = 60 * 5000
    await eventually(() => server.frames.some((frame) => frame.type === 'window'))
    await eventually(() => cards('Completed').length > 8 && !root.querySelector('.waiting'))
    const windows = server.frames.filter((frame) => frame.type === 'window')
    expect(windows).toHaveLength(1)
    expect(windows[0]).toMatchObject({ column: 3, limit: 50 })
    expect(windows[0]?.after).toBeGreaterThan(4000)
  })

  test('are there again, from the top, when the board is moved in its page', async () => {
    const { element, list, titles } = await board(completed(1000))
    const isFarBelow = () => titles('Completed').some((title) => Number(title.replace('Invoice ', '')) > 300)
    list('Completed').scrollTop = 30_000
    await eventually(isFarBelow, 'cards far below')
    const elsewhere = document.createElement('section')
    document.body.append(elsewhere)
    elsewhere.append(element)
    await eventually(() => titles('Completed').includes('Invoice 0'), 'the first cards')
    expect(list('Completed').scrollTop).toBe(0)
    list('Completed').scrollTop = 30_000
    await eventually(isFarBelow, 'cards far below again')
  })

  test('hold still under the reader while others are added above', async () => {
    const { list, cards } = await board(completed(500))
    list('Completed').scrollTop = 900
    await frames(4)
    const top = list('Completed').getBoundingClientRect().top
    const first = () => cards('Completed').find((card) => card.getBoundingClientRect().top >= top)
    const id = first()?.dataset.id
    const before = first()?.getBoundingClientRect().top ?? 0
    for (let n = 0; n < 5; n += 1) {
      server.put(aJob({ title: `new ${n}`, status: 'completed', started_at: ago(1), finished_at: ago(-n) }))
      await frames(3)
    }
    const after =
      cards('Completed')
        .find((card) => card.dataset.id === id)
        ?.getBoundingClientRect().top ?? 0
    expect(Math.abs(after - before)).toBeLessThanOrEqual(1)
  })
})

describe('search and filters', () => {
  test('search all tasks on the server', async () => {
    const { root, titles } = await board(completed(2000))
    await userEvent.fill(one(root, 'input'), 'Invoice 1999')
    await eventually(() => titles('Completed').join() === 'Invoice 1999')
    await userEvent.fill(one(root, 'input'), 'nothing like it')
    await eventually(() => words(root).includes('No task matches'))
    all(root, 'button')
      .find((each) => words(each) === 'Clear search and filters')
      ?.click()
    await eventually(() => titles('Completed').includes('Invoice 0'))
  })

  test('the last 24 hours, a task, a tag', async () => {
    server.tasks = [
      { name: 'a', docstring: null, signature: '()', parameters: [], tags: ['close'], paused: false, schema: {} },
    ]
    const { root, titles } = await board([
      aJob({ title: 'old', task_name: 'a', submitted_at: ago(90_000) }),
      aJob({ title: 'fresh', task_name: 'a' }),
      aJob({ title: 'tagged', task_name: 'b', tags: ['close'] }),
    ])
    const chip = (text: string) => all(root, '.chip').find((each) => words(each).startsWith(text))
    chip('Last')?.click()
    await eventually(() => titles('Queued').join() === 'fresh,tagged')
    chip('Task')?.click()
    const item = (name: string) => all(root, '.menu:popover-open button').find((each) => words(each) === name)
    ;(await eventually(() => item('a'))).click()
    await eventually(() => titles('Queued').join() === 'fresh')
    chip('a')?.click()
    ;(await eventually(() => item('Any task'))).click()
    chip('Tag')?.click()
    ;(await eventually(() => item('close'))).click()
    await eventually(() => titles('Queued').join() === 'tagged')
  })
})

test('in a page that reads from right to left, what is cut off short begins at the right', async () => {
  await rightToLeft(async () => {
    const { open } = await board(completed(1))
    expect(gapAtRight(open('Invoice 0'))).toBeCloseTo(0, 0)
  })
})

test('a column that is at its end lets the page scroll on', async () => {
  const { list } = await board(completed(40))
  for (const label of ['Completed', 'Running']) {
    expect(getComputedStyle(list(label)).overscrollBehaviorY).toBe('auto')
  }
})

describe('keeps the focus', () => {
  test('in the search when what found nothing is cleared, and shows no empty board meanwhile', async () => {
    const { root, press, titles } = await board(completed(3))
    const input = one(root, 'input[type=search]')
    const seen = new Set<string>()
    const watch = new MutationObserver(() => seen.add(words(root.querySelector('.blank h3'))))
    watch.observe(root, { childList: true, subtree: true })
    for (const clear of ['Escape', 'Enter']) {
      input.focus()
      await press('zzz')
      const button = await eventually(() => root.querySelector<HTMLElement>('.blank button'), 'no match')
      if (clear === 'Enter') button.focus()
      await press(`{${clear}}`)
      await eventually(() => titles('Completed').length === 3, 'all of them again')
      expect(root.activeElement).toBe(input)
    }
    watch.disconnect()
    expect([...seen].sort()).toEqual(['', 'No task matches'])
  })

  test('at the button of a menu that is left', async () => {
    const { root, press } = await board(completed(3))
    const chip = all(root, '.chip').find((each) => words(each) === 'Task')
    chip?.focus()
    await press('{Enter}')
    await eventually(() => root.activeElement?.closest('.menu'), 'the menu')
    await press('{ArrowDown}{Escape}')
    await eventually(() => !root.querySelector('.menu:popover-open'), 'it to shut')
    await frames(2)
    expect(root.activeElement).toBe(chip)
  })

  test('at a card when the selection is cleared', async () => {
    const { root, pick, open } = await board(completed(3))
    pick('Invoice 1').click()
    const clear = await eventually(() => root.querySelector<HTMLElement>('.bulk .end'), 'the bar')
    clear.focus()
    clear.click()
    await eventually(() => !root.querySelector('.bulk'), 'it to go')
    expect(root.activeElement).toBe(open('Invoice 0'))
  })
})

describe('keys', () => {
  const jobs = () => [
    ...many(40, (index) => ({ status: 'pending', submitted_at: ago(1000 - index) })),
    aJob({ title: 'running one', status: 'running' }),
    aJob({
      title: 'failed one',
      status: 'failed',
      finished_at: ago(3),
      error: { type: 'Error', message: 'no ink', retryable: true },
    }),
  ]

  test('arrows move between cards and columns, past what is drawn', async () => {
    const { open, focusedTitle, press } = await board(jobs())
    open('Invoice 0').focus()
    await press('{ArrowDown}')
    expect(focusedTitle()).toBe('Invoice 1')
    await press('{ArrowRight}')
    expect(focusedTitle()).toBe('running one')
    await press('{ArrowRight}')
    expect(focusedTitle()).toBe('failed one')
    await press('{ArrowLeft}{ArrowLeft}')
    expect(focusedTitle()).toBe('Invoice 0')
    for (let n = 1; n < 30; n += 1) await press('{ArrowDown}')
    await eventually(() => focusedTitle() === 'Invoice 29')
    await press('{End}')
    await eventually(() => focusedTitle() === 'Invoice 39')
    await press('{Home}')
    await eventually(() => focusedTitle() === 'Invoice 0')
  })

  test('End goes to a card the server has yet to send', async () => {
    const { open, focusedTitle, press } = await board(completed(3000))
    open('Invoice 0').focus()
    await press('{End}')
    await eventually(() => focusedTitle() === 'Invoice 2999')
  })

  test('Enter opens the detail, slash goes to the search, c cancels, r retries', async () => {
    const { open, root, press } = await board(jobs())
    open('running one').focus()
    await press('c')
    open('failed one').focus()
    await press('r')
    await eventually(() => server.commands.length === 2)
    expect(server.commands.map((frame) => frame.name)).toEqual(['job.cancel', 'job.retry'])
    open('Invoice 3').focus()
    await press('/')
    expect(root.activeElement).toBe(one(root, 'input'))
    open('Invoice 3').focus()
    await press('{Enter}')
    await eventually(() => root.querySelector('capsule-task-detail'))
  })

  test('a refused action says why', async () => {
    const { open, root, press } = await board(completed(3))
    server.refuse = () => aProblem('ended', 'It has ended', 'It has ended: completed.')
    open('Invoice 1').focus()
    await press('c')
    await eventually(() => words(root.querySelector('.said')) === 'Not cancelled: It has ended: completed.')
  })

  test('the focus goes with a card to its next column', async () => {
    const job = aJob({ title: 'traveller', status: 'running' })
    const { open, focusedTitle, cards, root } = await board([job, ...completed(3)])
    open('traveller').focus()
    server.update(job.id, { status: 'completed', finished_at: ago(0) })
    await eventually(() => cards('Completed').length === 4)
    await frames(2)
    expect(focusedTitle()).toBe('traveller')
    expect(root.activeElement?.closest('.column')?.getAttribute('aria-label')).toBe('Completed, 4 tasks')
  })

  test('and to its neighbour when the card leaves the board', async () => {
    const { open, focusedTitle, cards } = await board(completed(5))
    open('Invoice 2').focus()
    server.jobs.delete('task-000002')
    server.position += 1
    server.tell()
    await eventually(() => cards('Completed').length === 4)
    await frames(2)
    expect(focusedTitle()).toBe('Invoice 3')
  })

  test('one card of each column is in the way of Tab', async () => {
    const { cards } = await board(jobs())
    for (const label of ['Queued', 'Running', 'Failed']) {
      expect(cards(label).filter((card) => one(card, '.open').tabIndex === 0)).toHaveLength(1)
    }
  })
})

describe('selection', () => {
  const failed = () => [
    ...many(3, (index) => ({
      status: 'failed',
      finished_at: ago(index),
      error: { type: 'Error', message: 'no ink', retryable: true },
    })),
    aJob({ title: 'running one', status: 'running' }),
  ]
  const bulk = (root: ShadowRoot) => root.querySelector('[role=toolbar]')

  test('offers what all of it accepts, with the reason for what it does not', async () => {
    const { pick, root } = await board(failed())
    pick('Invoice 0').click()
    pick('Invoice 1').click()
    await eventually(() => words(bulk(root)).startsWith('2 selected'))
    expect(words(bulk(root))).toBe('2 selected Retry 2 Copy ids Cancel 0, all have ended')
    pick('running one').click()
    await eventually(() => words(bulk(root)).startsWith('3 selected'))
    expect(words(bulk(root))).toBe('3 selected Retry 2, 1 has yet to end Copy ids Cancel 1, 2 have ended')
  })

  test('acts on those that can, and reports', async () => {
    const { pick, root, cards } = await board(failed())
    for (const title of ['Invoice 0', 'Invoice 1', 'running one']) pick(title).click()
    await eventually(() => words(bulk(root)).startsWith('3 selected'))
    all(root, '[role=toolbar] button')
      .find((each) => words(each).startsWith('Retry'))
      ?.click()
    await eventually(() => cards('Queued').length === 2)
    await eventually(() => words(root.querySelector('.said')) === 'Retried 2.')
    expect(server.commands.map((frame) => frame.name)).toEqual(['job.retry', 'job.retry'])
  })

  test('by keys: space selects, shift-click to a second one takes all between, Escape clears', async () => {
    const { open, root, press } = await board(failed())
    open('Invoice 0').focus()
    await press(' ')
    expect(words(bulk(root))).toContain('1 selected')
    open('Invoice 2').dispatchEvent(new MouseEvent('click', { bubbles: true, composed: true, shiftKey: true }))
    await eventually(() => words(bulk(root)).startsWith('3 selected'))
    await press('{Escape}')
    await eventually(() => bulk(root) === null)
  })
})

describe('when there is nothing to show', () => {
  test('it says so, and how to get a first task', async () => {
    server.tasks = [
      { name: 'build_report', docstring: null, signature: '()', parameters: [], tags: [], paused: false, schema: {} },
    ]
    const { root, element } = await board([])
    await eventually(() => words(root).includes('Submit build_report'))
    expect(words(root)).toContain('No tasks yet')
    expect(words(one(root, 'pre'))).toContain(`${new URL(server.base).host}/api/v1/tasks/build_report/$submit`)
    await expectAccessible(element)
  })

  test('a name and its count stay apart where it is narrow', async () => {
    const { root } = await board([], (element) => {
      element.style.width = '320px'
    })
    for (const each of all(root, '.ghosts div')) {
      const [name, count] = [...each.children].map((child) => child.getBoundingClientRect())
      expect((count?.left ?? 0) - (name?.right ?? 0), words(each)).toBeGreaterThanOrEqual(4)
    }
  })

  test('a refusal is shown in the server’s words', async () => {
    server.refuseBoard = aProblem('forbidden', 'Not yours to see', 'Ask an operator for read access.', 403)
    const element = document.createElement('capsule-task-board')
    element.src = server.base
    show(element)
    const root = await inside(element)
    await eventually(() => words(root).includes('Ask an operator for read access.'))
  })

  test('offline keeps the cards and says how old they are, then catches up', async () => {
    const job = aJob({ title: 'daily', status: 'running' })
    const { root, titles } = await board([job])
    server.goOffline()
    await eventually(() => words(root).includes('Reconnecting'))
    expect(titles('Running')).toEqual(['daily'])
    server.update(job.id, { status: 'completed', finished_at: ago(0) })
    server.goOnline()
    await eventually(() => words(root).includes('Live') && titles('Completed').includes('daily'))
  })

  test('before the first answer it says that it is loading', async () => {
    server.silent = true
    const element = document.createElement('capsule-task-board')
    element.src = server.base
    show(element)
    const root = await inside(element)
    expect(words(root)).toContain('Loading tasks')
  })
})

describe('looks', () => {
  const jobs = () => [
    ...completed(60),
    aJob({ title: 'daily', status: 'running', progress: { fraction: 0.62, message: 'page 31 of 50' } }),
    aJob({ title: 'next', status: 'scheduled', run_at: ago(-600) }),
    aJob({
      title: 'again',
      status: 'retry',
      run_at: ago(-8),
      error: { type: 'Error', message: 'ECONNRESET', retryable: true },
    }),
    aJob({
      title: 'late',
      status: 'timeout',
      finished_at: ago(4),
      error: { type: 'Error', message: 'No answer', retryable: true },
    }),
    aJob({ title: 'stopped', status: 'cancelled', finished_at: ago(9), cancelled_by: 'user:local' }),
  ]

  test.each(['light', 'dark'])('accessible, %s, with a selection', async (theme) => {
    const { element, pick } = await board(jobs(), (each) => each.setAttribute('theme', theme))
    pick('late').click()
    await frames(30)
    await expectAccessible(element)
  })

  test('at 320 px it is one column under tabs, accessible, and nothing sticks out', async () => {
    await page.viewport(320, 700)
    const { element, root, column, press, pick } = await board(jobs())
    const shown = () =>
      all(root, '.column')
        .filter((each) => each.checkVisibility())
        .map((each) => each.getAttribute('aria-label'))
    expect(shown()).toEqual(['Running, 1 task'])
    await expectAccessible(element)
    const tab = all(root, '[role=tab]').find((each) => words(each).startsWith('Completed'))
    tab?.click()
    await eventually(() => shown().join() === 'Completed, 60 tasks')
    await eventually(() => all(column('Completed'), '[data-id]').length > 4, 'cards of the column now shown')
    for (const title of ['Invoice 0', 'Invoice 1']) pick(title).click()
    const clear = await eventually(() => root.querySelector('[aria-label="Clear selection"]'))
    await frames(30)
    expect(clear.getBoundingClientRect().right).toBeLessThanOrEqual(320)
    await expectAccessible(element)
    expect(document.documentElement.scrollWidth).toBeLessThanOrEqual(320)
    one(root, '[role=tab][aria-selected=true]').focus()
    await press('{ArrowRight}')
    await eventually(() => shown().join() === 'Failed, 2 tasks')
  })

  test('with room for one column it begins with the first that is not empty, when nothing runs', async () => {
    await page.viewport(320, 700)
    const { root } = await board(completed(3))
    expect(words(one(root, '[role=tab][aria-selected=true]'))).toBe('Completed3')
  })

  test('every target is 24 px or more', async () => {
    const { root } = await board(jobs())
    const small = all(root, 'button:not(.open), input').filter((each) => {
      const target = each.matches('input') ? (each.closest('.field') ?? each) : each
      const { width, height } = target.getBoundingClientRect()
      return each.checkVisibility() && (width < 24 || height < 24)
    })
    expect(small.map((each) => each.outerHTML)).toEqual([])
  })

  test('a card that moves is seen flying once, and lands', async () => {
    const job = aJob({ title: 'traveller', status: 'running' })
    const { root, cards } = await board([job, ...completed(3)])
    server.update(job.id, { status: 'completed', finished_at: ago(0) })
    await eventually(() => cards('Completed').length === 4)
    const copies = all(root, '.stage .card')
    expect(copies).toHaveLength(1)
    expect(copies[0]?.inert).toBe(true)
    await eventually(() => all(root, '.stage .card').length === 0)
  })

  test('a hundred that move at once do not', async () => {
    const running = many(100, () => ({ status: 'running' }))
    const { root, cards } = await board(running)
    server.put(...running.map((job) => ({ ...job, status: 'completed' as const, finished_at: ago(0) })))
    await eventually(() => cards('Completed').length > 5)
    expect(all(root, '.stage .card')).toHaveLength(0)
  })
})

test('a board of some states does not take their absence for an app that was never used', async () => {
  const { root, column } = await board(completed(3), (element) => {
    element.columns = [{ label: 'Broken', statuses: ['failed', 'timeout'] }]
  })
  expect(words(column('Broken'))).toContain('None now')
  expect(words(root)).not.toContain('No tasks yet')
})

test('the search keeps the blank after a word while one goes on to the next', async () => {
  const { root, press } = await board(completed(3))
  const input = one(root, 'input[type=search]')
  if (!(input instanceof HTMLInputElement)) throw new Error('The search is no field')
  input.focus()
  await press('invoice ')
  await eventually(() =>
    server.frames.some((f) => f.type === 'subscribe' && JSON.stringify(f).includes('"q":"invoice"')),
  )
  await frames(3)
  await press('1')
  expect(input.value).toBe('invoice 1')
})

describe('shows no tasks of', () => {
  test('a filter before, once the server has refused the one that is asked for', async () => {
    const { element, root } = await board(completed(3))
    server.refuseBoard = aProblem('invalid-input', 'Invalid input', 'There is no such filter.', 422)
    element.filter = { tag: 'x' }
    await eventually(() => words(root).includes('There is no such filter.'))
    expect(all(root, '[data-id]')).toHaveLength(0)
  })

  test('the server before, while another one is to come', async () => {
    const { element, root } = await board(completed(3))
    element.src = `${server.base}/other`
    server.goOffline()
    await element.updateComplete
    await frames(3)
    expect(all(root, '[data-id]')).toHaveLength(0)
  })
})

test('says that the server has ended its subscription, over the cards as they were', async () => {
  const { root } = await board(completed(3))
  server.endBoards(aProblem('payload-too-large', 'Too large', 'Ask for fewer cards.', 413))
  await eventually(() => words(one(root, '.float')).includes('Ask for fewer cards.'))
  expect(all(root, '[data-id]')).toHaveLength(3)
})

describe('what awaits its answer is not asked for again', () => {
  test('a submit', async () => {
    server.tasks = [aTask('build_report')]
    const { root } = await board([])
    const button = await eventually(() => root.querySelector<HTMLElement>('.blank .primary'))
    button.click()
    button.click()
    await frames(3)
    expect(server.commands.map(({ name }) => name)).toEqual(['task.submit'])
  })

  test('a retry of what is selected, or by its key', async () => {
    const { root, pick, open, press } = await board([aJob({ title: 'daily', status: 'failed', finished_at: ago(5) })])
    server.commandsUnanswered = true
    pick('daily').click()
    const retry = await eventually(() => all(root, '.bulk button').find((each) => words(each).startsWith('Retry')))
    retry.click()
    retry.click()
    open('daily').focus()
    await press('r')
    await frames(3)
    expect(server.commands.map(({ name }) => name)).toEqual(['job.retry'])
  })
})

function aTask(name: string): TaskInfo {
  return { name, description: null, parameters: [], tags: [] } as unknown as TaskInfo
}

test('the focus returns from the detail to its card, also where that has moved meanwhile', async () => {
  const job = aJob({ title: 'traveller', status: 'failed', finished_at: ago(5) })
  const { root, open, titles, focusedTitle, press } = await board([job, ...completed(2)])
  open('traveller').focus()
  await press('{Enter}')
  const detail = await eventually(() => root.querySelector('capsule-task-detail'))
  await eventually(() => detail.shadowRoot?.querySelector('dialog[open]'))
  server.update(job.id, { status: 'pending', finished_at: null })
  await eventually(() => titles('Queued').includes('traveller'))
  detail.close()
  await eventually(() => !root.querySelector('capsule-task-detail'))
  expect(focusedTitle()).toBe('traveller')
})
