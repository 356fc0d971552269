/** A board with nothing to show, or nothing new: an empty app, a refusal, a server that is away or has ended it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import '../../web-components/task-board/index.ts'
import { ago, begin, board, completed, end, server } from './board-page.ts'
import { aJob, aProblem } from './fake-board-server.ts'
import { all, eventually, expectAccessible, frames, inside, one, show, words } from './support.ts'

beforeEach(begin)
afterEach(end)

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

test('a board of some states does not take their absence for an app that was never used', async () => {
  const { root, column } = await board(completed(3), (element) => {
    element.columns = [{ label: 'Broken', statuses: ['failed', 'timeout'] }]
  })
  expect(words(column('Broken'))).toContain('None now')
  expect(words(root)).not.toContain('No tasks yet')
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
