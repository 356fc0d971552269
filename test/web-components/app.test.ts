import axe from 'axe-core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { page, userEvent } from 'vitest/browser'
import { CapsuleApp } from '../../web-components/app/index.ts'
import { aMessage, aReply, aSchedule, FakeServer } from './chat-fake-server.ts'
import { atRest, emulate, frames } from './support.ts'

let server: FakeServer
const home = window.location.href

beforeEach(() => {
  localStorage.clear()
  server = new FakeServer()
  server.schedules = [aSchedule()]
  server.pages.set('tasks', {
    name: 'Tasks',
    icon: null,
    slug: 'tasks',
    blocks: [{ kind: 'text', text: 'Of October' }],
  })
})

afterEach(async () => {
  document.body.replaceChildren()
  document.documentElement.removeAttribute('data-theme')
  history.replaceState(null, '', home)
  server[Symbol.dispose]()
  await page.viewport(1280, 800)
})

async function openApp(path = '/'): Promise<CapsuleApp> {
  history.replaceState(null, '', path)
  const app = new CapsuleApp()
  app.setAttribute('src', server.base)
  document.body.append(app)
  await expect.element(page.getByRole('navigation', { name: 'Pages' })).toBeVisible()
  return app
}

const link = (name: string) => page.getByRole('link', { name, exact: true })
const box = () => page.getByRole('textbox', { name: 'Message' })
const path = () => window.location.pathname

describe('the navigation', () => {
  test('has what the app has, and shows what the address names', async () => {
    await openApp('/schedules')
    await expect.element(link('Schedules')).toHaveAttribute('aria-current', 'page')
    await expect.element(page.getByRole('heading', { name: 'weekday_digest' })).toBeVisible()
    expect(document.title).toBe('Schedules, jobs-demo')

    await link('Tasks').click()
    await expect.element(page.getByText('Of October')).toBeVisible()
    expect([path(), document.title]).toEqual(['/pages/tasks', 'Tasks, jobs-demo'])

    history.back()
    await expect.element(page.getByRole('heading', { name: 'weekday_digest' })).toBeVisible()
    await expect.element(link('Schedules')).toHaveAttribute('aria-current', 'page')
  })

  test('moves nothing aside when it is known what the app has', async () => {
    const shifts: PerformanceEntry[] = []
    const observer = new PerformanceObserver((list) => shifts.push(...list.getEntries()))
    observer.observe({ type: 'layout-shift' })
    server.startSession('s1', [aMessage()])
    const answer = server.delayAnswers()
    await openApp('/')
    await expect.element(page.getByText('Connecting')).toBeVisible()
    await frames(3)
    answer()
    await expect.element(link('Chat')).toBeVisible()
    await expect.element(page.getByRole('complementary', { name: 'Conversations' })).toBeVisible()
    await frames(3)
    observer.disconnect()
    expect(shifts).toEqual([])
  })

  test('marks what is shown also where colours are forced', async () => {
    await openApp('/schedules')
    await expect.element(link('Schedules')).toHaveAttribute('aria-current', 'page')
    const outline = (name: string) => getComputedStyle(link(name).element()).outlineStyle
    await emulate({ name: 'forced-colors', value: 'active' })
    try {
      expect([outline('Schedules'), outline('Tasks')]).toEqual(['solid', 'none'])
    } finally {
      await emulate()
    }
  })

  test('leaves out what the app has not', async () => {
    server.info = { ...server.info, has_chat: false, has_schedules: false }
    await openApp()
    await expect.element(page.getByText('Of October')).toBeVisible()
    await expect.element(link('Chat')).not.toBeInTheDocument()
    await expect.element(link('Schedules')).not.toBeInTheDocument()
  })

  test('says that an address names nothing', async () => {
    await openApp('/pages/tasks/more')
    await expect.element(page.getByRole('heading', { name: 'No such page' })).toBeVisible()
  })

  test('leaves a click with a modifier to the browser', async () => {
    await openApp('/schedules')
    await expect.element(link('Tasks')).toBeVisible()
    const tab = link('Tasks').element()
    const click = new MouseEvent('click', { ctrlKey: true, bubbles: true, cancelable: true, composed: true })
    tab.addEventListener('click', (event) => event.preventDefault(), { once: true })
    tab.dispatchEvent(click)
    expect(path()).toBe('/schedules')
  })
})

describe('conversations', () => {
  const hours = (count: number) => new Date(Date.now() - count * 3_600_000).toISOString()

  test('say what they are about and how their tasks are, newest first, and can be searched', async () => {
    server.startSession('s1', [], {
      title: 'Old',
      updated_at: hours(24 * 9),
      jobs: { running: 0, waiting: 0, completed: 3, failed: 1 },
    })
    server.startSession('s2', [], {
      title: null,
      opening: 'run weekly',
      preview: 'Done.',
      jobs: { running: 1, waiting: 2, completed: 0, failed: 0 },
    })
    const app = await openApp('/chat')
    const rows = () =>
      [...(app.shadowRoot?.querySelectorAll('.conversations li') ?? [])].map((row) =>
        [row.querySelector('.title'), row.querySelector('.work')].map((part) => part?.textContent?.trim()),
      )
    await expect.poll(rows).toEqual([
      ['run weekly', '1 running, 2 waiting'],
      ['Old', '1 failed'],
    ])
    await page.getByRole('searchbox', { name: 'Search conversations' }).fill('WEEK')
    await expect.poll(() => rows().map(([title]) => title)).toEqual(['run weekly'])
    await page.getByRole('searchbox', { name: 'Search conversations' }).fill('nothing like it')
    await expect.element(page.getByText('No conversation has “nothing like it” in it.')).toBeVisible()
  })

  test('open at an address of their own', async () => {
    server.startSession('s1', [aReply({ text: 'Answer one' })], { title: 'First' })
    server.startSession('s2', [aReply({ text: 'Answer two' })], { title: 'Second' })
    await openApp('/chat/s1')
    await expect.element(page.getByText('Answer one')).toBeVisible()
    await page.getByRole('link', { name: /Second/ }).click()
    await expect.element(page.getByText('Answer two')).toBeVisible()
    expect(path()).toBe('/chat/s2')
    await expect.poll(() => document.title).toBe('Second, jobs-demo')
    history.back()
    await expect.element(page.getByText('Answer one')).toBeVisible()
  })

  test('a new one gets its address with its first message, and the message stays where it is', async () => {
    await openApp('/chat')
    await box().fill('run')
    await userEvent.keyboard('{Enter}')
    await expect.poll(() => server.transcripts.size).toBe(1)
    const [id] = server.transcripts.keys()
    await expect.poll(path).toBe(`/chat/${id}`)
    await expect.element(page.getByRole('article', { name: 'You' }).getByText('run')).toBeVisible()
    await page.getByRole('link', { name: 'New conversation' }).click()
    await expect.poll(path).toBe('/chat')
    await expect.element(page.getByRole('heading', { name: 'Talk to jobs-demo' })).toBeVisible()
  })

  test('the start opens the last one of this browser', async () => {
    server.startSession('s1', [aMessage({ text: 'where was I' })])
    const app = await openApp('/chat/s1')
    await expect.element(page.getByRole('article', { name: 'You' })).toBeVisible()
    app.remove()
    await openApp('/')
    await expect.element(page.getByRole('article', { name: 'You' }).getByText('where was I')).toBeVisible()
  })
})

test('on a phone the conversations are a drawer that closes when one is chosen', async () => {
  await page.viewport(390, 844)
  server.startSession('s1', [aReply({ text: 'Answer one' })], { title: 'First' })
  server.startSession('s2', [aReply({ text: 'Answer two' })], { title: 'Second' })
  await openApp('/chat/s1')
  await expect.element(page.getByRole('link', { name: /Second/ })).not.toBeInTheDocument()
  await page.getByRole('button', { name: 'Conversations' }).click()
  await page.getByRole('link', { name: /Second/ }).click()
  await expect.element(page.getByText('Answer two')).toBeVisible()
  await expect.element(page.getByRole('dialog')).not.toBeInTheDocument()
})

test('the theme is the system’s until it is chosen, and the choice is kept', async () => {
  const app = await openApp('/schedules')
  expect(document.documentElement.dataset.theme).toBeUndefined()
  await page.getByRole('button', { name: 'Theme: System. Change to Light' }).click()
  expect(document.documentElement.dataset.theme).toBe('light')
  await page.getByRole('button', { name: 'Theme: Light. Change to Dark' }).click()
  app.remove()
  document.documentElement.removeAttribute('data-theme')
  await openApp('/schedules')
  expect(document.documentElement.dataset.theme).toBe('dark')
})

test('without a server it says so, and goes on by itself when there is one', async () => {
  server.goOffline()
  const app = new CapsuleApp()
  app.setAttribute('src', server.base)
  history.replaceState(null, '', '/schedules')
  document.body.append(app)
  await expect.element(page.getByRole('heading', { name: 'The server cannot be reached' })).toBeVisible()
  server.goOnline()
  await expect.element(page.getByRole('heading', { name: 'weekday_digest' })).toBeVisible()
})

test('one who is signed out keeps what is shown, and is led to sign in and back', async () => {
  const app = await openApp('/schedules')
  await expect.element(page.getByRole('heading', { name: 'weekday_digest' })).toBeVisible()
  server.signOut()
  await expect.element(page.getByText(/^You are signed out/)).toBeVisible()
  await expect.element(link('Sign in')).toHaveAttribute('href', `${server.base}/sign-in?next=%2Fschedules`)
  const banner = app.shadowRoot?.querySelector('.banner')?.getBoundingClientRect()
  expect(banner?.height).toBeGreaterThanOrEqual(36)
  expect(banner?.bottom, 'no lower than the head').toBeLessThanOrEqual(app.getBoundingClientRect().top + 56)
  await expect.element(page.getByRole('heading', { name: 'weekday_digest' })).toBeVisible()
})

describe('for screen readers', () => {
  test.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 320],
    ['dark', 320],
  ])('axe finds nothing in %s at %i px', async (theme, width) => {
    await page.viewport(width, 800)
    document.documentElement.lang = 'en'
    localStorage.setItem('capsule:theme', theme)
    document.documentElement.style.colorScheme = theme
    document.body.style.margin = '0'
    server.startSession('s1', [aMessage(), aReply()], {
      title: 'October close',
      jobs: { running: 1, waiting: 0, completed: 0, failed: 0 },
    })
    server.startSession('s2', [], {
      title: 'Vendor statements',
      jobs: { running: 0, waiting: 0, completed: 2, failed: 1 },
    })
    await openApp('/chat/s1')
    await expect.element(page.getByText('Done.')).toBeVisible()
    if (width < 760) await page.getByRole('button', { name: 'Conversations' }).click()
    await expect.element(page.getByRole('link', { name: /Vendor statements/ })).toBeVisible()
    await atRest()
    const { violations } = await axe.run(document.body)
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([])
  })
})
