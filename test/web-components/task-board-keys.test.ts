/** The board by keys and by selection: where the focus goes, and what is done to the tasks it stands on. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { TaskInfo } from '../../src/http/wire.ts'
import '../../web-components/task-board/index.ts'
import { ago, begin, board, completed, end, many, server } from './board-page.ts'
import { aJob, aProblem } from './fake-board-server.ts'
import { all, eventually, frames, one, words } from './support.ts'

beforeEach(begin)
afterEach(end)

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
