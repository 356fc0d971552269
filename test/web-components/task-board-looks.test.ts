/** How the board looks and moves: on a narrow page, from right to left, in both themes, and who can use it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { page } from 'vitest/browser'
import '../../web-components/task-board/index.ts'
import { ago, begin, board, completed, end, many, server } from './board-page.ts'
import { aJob } from './fake-board-server.ts'
import { all, eventually, expectAccessible, frames, gapAtRight, one, rightToLeft, words } from './support.ts'

beforeEach(begin)
afterEach(end)

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
