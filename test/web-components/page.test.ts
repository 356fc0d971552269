import { afterEach, beforeEach, expect, test } from 'vitest'
import { page } from 'vitest/browser'
import { connect, disconnect } from '../../web-components/client/index.ts'
import { CapsulePage } from '../../web-components/page/index.ts'
import { FakeServer } from './chat-fake-server.ts'

let server: FakeServer

beforeEach(() => {
  server = new FakeServer()
})

afterEach(() => {
  document.body.replaceChildren()
  server[Symbol.dispose]()
})

function open(slug: string): CapsulePage {
  const shown = new CapsulePage()
  shown.setAttribute('src', server.base)
  shown.setAttribute('slug', slug)
  document.body.append(shown)
  return shown
}

test('draws the blocks of a page in order and hands a board what it declares', async () => {
  server.pages.set('tasks', {
    name: 'Tasks',
    icon: null,
    slug: 'tasks',
    blocks: [
      { kind: 'heading', text: 'October' },
      { kind: 'text', text: 'Everything of the close.' },
      { kind: 'task_board', title: 'All tasks', filter: null, columns: null, refresh_ms: null },
      { kind: 'divider' },
      {
        kind: 'task_board',
        title: 'Reports',
        filter: { task_name: 'build_report' },
        columns: [{ label: 'Done', statuses: ['completed'] }],
        refresh_ms: 5000,
      },
    ],
  })
  const shown = open('tasks')
  await expect.element(page.getByRole('heading', { name: 'October' })).toBeVisible()
  const blocks = [...(shown.shadowRoot?.querySelector('.blocks')?.children ?? [])]
  expect(blocks.map(({ localName }) => localName)).toEqual([
    'h2',
    'p',
    'capsule-task-board',
    'hr',
    'capsule-task-board',
  ])
  const [all, reports] = blocks.filter(({ localName }) => localName === 'capsule-task-board')
  expect([all?.hasAttribute('filter'), all?.hasAttribute('columns')]).toEqual([false, false])
  expect(reports?.getAttribute('heading')).toBe('Reports')
  expect(JSON.parse(reports?.getAttribute('filter') ?? '')).toEqual({ task_name: 'build_report' })
  expect(JSON.parse(reports?.getAttribute('columns') ?? '')).toEqual([{ label: 'Done', statuses: ['completed'] }])
  expect(reports?.getAttribute('refresh-ms')).toBe('5000')
})

test('a page that the app does not have says so', async () => {
  open('nowhere')
  await expect.element(page.getByRole('heading', { name: 'No such page' })).toBeVisible()
})

test('a page that could not be fetched is fetched when the server is back', async () => {
  server.pages.set('late', { name: 'Late', icon: null, slug: 'late', blocks: [{ kind: 'text', text: 'Here I am' }] })
  server.goOffline()
  open('late')
  await expect.element(page.getByText('The page appears when the server can be reached again.')).toBeVisible()
  server.goOnline()
  await expect.element(page.getByText('Here I am')).toBeVisible()
})

test('a heading without a blank breaks where the page ends', async () => {
  const blocks = [{ kind: 'heading' as const, text: 'H'.repeat(400) }]
  server.pages.set('long', { name: 'Long', icon: null, slug: 'long', blocks })
  const shown = open('long')
  await expect.element(page.getByRole('heading')).toBeVisible()
  const region = shown.shadowRoot?.querySelector('.blocks')
  expect(region?.scrollWidth).toBe(region?.clientWidth)
})

test('a page whose reader is not signed in says that, rather than load for ever', async () => {
  const shown = open('')
  const connection = connect(server.base)
  await expect.poll(() => connection.state.status).toBe('live')
  server.signOut()
  shown.slug = 'tasks'
  await expect.element(page.getByText('The server asks you to sign in again.')).toBeVisible()
  disconnect(connection)
})
