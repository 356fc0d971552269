/** The board against a server that speaks the protocol: what it draws, asks for, and finds. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { userEvent } from 'vitest/browser'
import '../../web-components/task-board/index.ts'
import { ago, begin, board, completed, end, server } from './board-page.ts'
import { aJob } from './fake-board-server.ts'
import { all, eventually, frames, one, words } from './support.ts'

beforeEach(begin)
afterEach(end)

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
