import axe from 'axe-core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { page, userEvent } from 'vitest/browser'
import type { TranscriptItem } from '../../src/http/wire.ts'
import { CapsuleChat } from '../../web-components/chat/index.ts'
import { aJob, aMessage, aNotice, aReply, aTaskItem, FakeServer, problemOf } from './chat-fake-server.ts'
import { atRest, gapAtRight, rightToLeft } from './support.ts'

let server: FakeServer

beforeEach(() => {
  localStorage.clear()
  server = new FakeServer()
})

afterEach(() => {
  document.body.replaceChildren()
  server[Symbol.dispose]()
})

async function openChat(session = 's1', attributes: Record<string, string> = {}): Promise<CapsuleChat> {
  const chat = new CapsuleChat()
  chat.setAttribute('src', server.base)
  chat.setAttribute('session', session)
  for (const [name, value] of Object.entries(attributes)) chat.setAttribute(name, value)
  chat.style.height = '600px'
  document.body.append(chat)
  await expect.poll(() => chat.shadowRoot?.querySelector('.connection')?.textContent).toContain('Live')
  return chat
}

const log = () => page.getByRole('log')
const box = () => page.getByRole('textbox', { name: 'Message' })
const view = (chat: CapsuleChat) => chat.shadowRoot?.querySelector('capsule-transcript')?.shadowRoot
const scroller = (chat: CapsuleChat) => view(chat)?.querySelector<HTMLElement>('.log') ?? document.body
const focused = (chat: CapsuleChat) => chat.shadowRoot?.activeElement?.shadowRoot?.activeElement?.tagName
const sent = () => server.commands.filter(({ name }) => name === 'message.send')
const bubbles = (chat: CapsuleChat) =>
  [...(view(chat)?.querySelectorAll('.bubble') ?? [])].map((node) => node.textContent)
const frames = async (count = 3) => {
  for (let i = 0; i < count; i++) await new Promise(requestAnimationFrame)
}

describe('writing', () => {
  test('Enter sends, Shift+Enter breaks the line, the box is empty and focused afterwards', async () => {
    server.startSession('s1')
    const chat = await openChat()
    await box().click()
    await userEvent.keyboard('run{Shift>}{Enter}{/Shift}daily{Enter}')
    await expect.poll(() => bubbles(chat)).toEqual(['run\ndaily'])
    expect(sent()[0]?.payload).toMatchObject({ session_id: 's1', text: 'run\ndaily' })
    await expect.element(box()).toHaveValue('')
    expect(focused(chat)).toBe('TEXTAREA')
  })

  test('an Enter that ends a composition sends nothing', async () => {
    server.startSession('s1')
    await openChat()
    await box().fill('にほん')
    const field = box().element()
    field.dispatchEvent(
      new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, composed: true }),
    )
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true, composed: true }))
    await frames()
    expect(sent()).toEqual([])
    await expect.element(box()).toHaveValue('にほん')
  })

  test('a text with a long gap in it goes out at once', async () => {
    server.startSession('s1')
    await openChat()
    const text = `a${' '.repeat(90_000)}b`
    await box().fill(`\n${text} \n`)
    const began = performance.now()
    await userEvent.keyboard('{Enter}')
    await expect.poll(() => sent()[0]?.payload).toMatchObject({ text })
    expect(performance.now() - began).toBeLessThan(2_000)
  })

  test.each([240, 320])('a long text leaves Send in view in a chat of %i px', async (height) => {
    server.startSession('s1', [aMessage({ text: 'before' })])
    const chat = await openChat('s1')
    chat.style.height = `${height}px`
    await box().fill('one more line\n'.repeat(20))
    await frames()
    const send = page.getByRole('button', { name: 'Send' }).element().getBoundingClientRect()
    expect(send.bottom).toBeLessThanOrEqual(chat.getBoundingClientRect().bottom)
    expect(box().element().clientHeight).toBeGreaterThanOrEqual(24)
  })

  test('nothing but blanks is not sent', async () => {
    server.startSession('s1')
    await openChat()
    await box().fill('  \n ')
    await userEvent.keyboard('{Enter}')
    await frames()
    expect(sent()).toEqual([])
  })

  test('the up arrow brings the last message back into an empty box only', async () => {
    server.startSession('s1', [aMessage({ text: 'schedule 10m' }), aReply()])
    await openChat()
    await box().click()
    await userEvent.keyboard('{ArrowUp}')
    await expect.element(box()).toHaveValue('schedule 10m')
    await box().fill('other')
    await userEvent.keyboard('{ArrowUp}')
    await expect.element(box()).toHaveValue('other')
  })

  test('the box grows with its text to eight lines and then scrolls', async () => {
    server.startSession('s1')
    await openChat()
    const height = () => box().element().clientHeight
    const one = height()
    await box().fill('1\n2\n3')
    expect(height()).toBe(3 * one)
    await box().fill(Array.from({ length: 30 }, (_, n) => n).join('\n'))
    expect(height()).toBe(8 * one)
  })

  test('a draft is kept over a reload, for each conversation', async () => {
    server.startSession('s1')
    server.startSession('s2')
    const chat = await openChat('s1')
    await box().fill('half a tho')
    chat.session = 's2'
    await expect.element(box()).toHaveValue('')
    chat.remove()
    await openChat('s1')
    await expect.element(box()).toHaveValue('half a tho')
  })
})

describe('sending', () => {
  test('offline it says in full what becomes of a message, also in 320 px, and moves nothing for it', async () => {
    server.startSession('s1')
    const chat = await openChat()
    chat.style.width = '320px'
    const composer = chat.shadowRoot?.querySelector('capsule-composer')
    await frames()
    const before = composer?.clientHeight
    server.goOffline()
    const hint = composer?.shadowRoot?.querySelector('.hint')
    await expect.poll(() => hint?.textContent).toContain('Offline. What you send is kept and goes out once.')
    expect(hint?.scrollWidth).toBeLessThanOrEqual(hint?.clientWidth ?? 0)
    expect(hint?.scrollHeight).toBeLessThanOrEqual(hint?.clientHeight ?? 0)
    expect(composer?.clientHeight).toBe(before)
  })

  test('a message typed offline waits, survives a reload, and is sent once under the id it got when it was typed', async () => {
    server.startSession('s1')
    const chat = await openChat()
    server.goOffline()
    await expect.poll(() => chat.shadowRoot?.querySelector('.connection')?.textContent).not.toContain('Live')
    await box().fill('run')
    await userEvent.keyboard('{Enter}')
    await expect.element(page.getByText('Waiting to send')).toBeVisible()
    expect(sent()).toEqual([])

    chat.remove()
    const again = document.createElement('capsule-chat')
    again.setAttribute('src', server.base)
    again.setAttribute('session', 's1')
    document.body.append(again)
    await expect.element(page.getByText('Waiting to send')).toBeVisible()
    server.goOnline()

    await expect.poll(() => bubbles(again)).toEqual(['run'])
    await expect.poll(() => server.transcripts.get('s1')?.items).toHaveLength(1)
    expect(new Set(sent().map(({ id }) => id)).size).toBe(1)
    await expect.element(page.getByText('Waiting to send')).not.toBeInTheDocument()
    expect(Object.keys(localStorage).filter((key) => key.includes('outbox'))).toEqual([])
  })

  test('a message whose answer was lost is repeated under the same id and shown once', async () => {
    server.startSession('s1')
    const chat = await openChat()
    server.answer = () => 'silence'
    await box().fill('run')
    await userEvent.keyboard('{Enter}')
    await expect.poll(() => sent()).toHaveLength(1)
    server.goOffline()
    server.answer = () => undefined
    server.goOnline()
    await expect.poll(() => sent()).toHaveLength(2)
    expect(sent()[0]?.id).toBe(sent()[1]?.id)
    await expect.poll(() => bubbles(chat)).toEqual(['run'])
  })

  test('a message that appears before its acknowledgement is shown once all the time', async () => {
    server.startSession('s1')
    const chat = await openChat()
    server.answer = () => 'silence'
    await box().fill('run')
    await userEvent.keyboard('{Enter}')
    await expect.poll(() => sent()).toHaveLength(1)
    server.say('s1', aMessage({ id: 'm9', text: 'run', state: 'running' }))
    await expect.poll(() => view(chat)?.querySelector('.bubble.outgoing')).toBeNull()
    expect(bubbles(chat)).toEqual(['run'])
  })

  test('a refused message stays, says why, and can be sent again as a new command or thrown away', async () => {
    server.startSession('s1')
    const chat = await openChat()
    server.answer = () => ({ problem: problemOf('session-ended', 'Ended', 'This conversation has ended.', 409) })
    await box().fill('run')
    await userEvent.keyboard('{Enter}')
    await expect.element(log().getByText('Not sent: This conversation has ended.')).toBeVisible()
    await page.getByRole('button', { name: 'Send again' }).click()
    await expect.poll(() => sent()).toHaveLength(2)
    expect(sent()[0]?.id).not.toBe(sent()[1]?.id)
    await page.getByRole('button', { name: 'Discard' }).click()
    await expect.poll(() => bubbles(chat)).toEqual([])
    expect(focused(chat)).toBe('TEXTAREA')
  })

  test('preventing capsule-message keeps it from being sent', async () => {
    server.startSession('s1')
    const chat = await openChat()
    chat.addEventListener('capsule-message', (event) => event.preventDefault())
    await box().fill('run')
    await userEvent.keyboard('{Enter}')
    await frames()
    expect(sent()).toEqual([])
  })
})

describe('session="auto"', () => {
  test('begins a conversation with the first message and opens it again after a reload', async () => {
    const chat = await openChat('auto')
    const started: unknown[] = []
    chat.addEventListener('capsule-session', (event) => started.push(event instanceof CustomEvent && event.detail))
    await box().fill('run')
    await userEvent.keyboard('{Enter}')
    await expect.poll(() => bubbles(chat)).toEqual(['run'])
    expect(sent()[0]?.payload).toEqual({ session_id: chat.sessionId, text: 'run', create: true })
    expect(started[0]).toEqual({ id: chat.sessionId, title: null, started: true })
    // The conversation is followed from now on.
    server.say(chat.sessionId, aReply({ text: 'Submitted.' }))
    await expect.element(page.getByText('Submitted.')).toBeVisible()

    const id = chat.sessionId
    chat.remove()
    const again = await openChat('auto')
    expect(again.sessionId).toBe(id)
    await expect.poll(() => bubbles(again)).toEqual(['run'])
  })

  test.each([null, ''])('is what a session attribute of %j stands for', async (session) => {
    const chat = await openChat('auto')
    const id = chat.sessionId
    chat.setAttribute('session', 'another')
    await expect.poll(() => chat.sessionId).toBe('another')
    if (session === null) chat.removeAttribute('session')
    else chat.setAttribute('session', session)
    await expect.poll(() => chat.sessionId).toBe(id)
    expect(chat.session).toBe('auto')
  })

  test('New conversation begins another and keeps the first', async () => {
    const chat = await openChat('auto')
    await box().fill('run')
    await userEvent.keyboard('{Enter}')
    await expect.poll(() => bubbles(chat)).toEqual(['run'])
    const first = chat.sessionId
    await page.getByRole('button', { name: 'New conversation' }).click()
    await expect.element(page.getByRole('heading', { name: 'Talk to jobs-demo' })).toBeVisible()
    await box().fill('second')
    await userEvent.keyboard('{Enter}')
    await expect.poll(() => bubbles(chat)).toEqual(['second'])
    expect(chat.sessionId).not.toBe(first)
    expect([...server.transcripts.keys()]).toEqual([first, chat.sessionId])
  })

  test('an empty chat says what one can type, and a suggestion sends itself', async () => {
    const chat = await openChat('auto', { suggestions: '["run", {"text": "schedule 10m", "description": "Later"}]' })
    await expect.element(page.getByText('Later')).toBeVisible()
    await page.getByRole('button', { name: 'run' }).click()
    await expect.poll(() => bubbles(chat)).toEqual(['run'])
  })
})

test('what a page set on it before its code was loaded is what it opens', async () => {
  server.startSession('s1', [aMessage({ text: 'of the first' })])
  const sockets = vi.spyOn(window, 'WebSocket')
  const early = Object.assign(document.createElement('late-chat'), { src: server.base, session: 's1' })
  document.body.append(early)
  class LateChat extends CapsuleChat {}
  customElements.define('late-chat', LateChat)
  await expect.element(page.getByText('of the first').last()).toBeVisible()
  expect(early).toHaveProperty('sessionId', 's1')
  const called = sockets.mock.calls.map(([url]) => new URL(url).host)
  sockets.mockRestore()
  // Servers of tests before this one have ended, and their elements' connections may still look for them.
  const ended = (host: string) => /^fake-/.test(host) && host !== new URL(server.base).host
  expect(called.filter((host) => !ended(host))).toEqual([new URL(server.base).host])
})

test('a session that does not exist says so', async () => {
  await openChat('nowhere')
  await expect.element(page.getByRole('heading', { name: 'No such conversation' })).toBeVisible()
})

test('a message to a conversation of somebody else begins one of the reader’s own', async () => {
  server.answer = (frame) =>
    frame.name === 'message.send' && frame.payload.session_id === 'theirs'
      ? { problem: problemOf('not-found', 'Not found', 'There is no session theirs.', 404) }
      : undefined
  const chat = await openChat('theirs')
  await expect.element(page.getByText(/A message begins a new one here/)).toBeVisible()
  await box().fill('hello')
  await userEvent.keyboard('{Enter}')
  await expect.poll(() => server.transcripts.size).toBe(1)
  expect(bubbles(chat)).toEqual(['hello'])
  expect(server.transcripts.has(chat.sessionId)).toBe(true)
  expect(localStorage.length).toBe(0)
})

test('changing the session shows nothing of the one before', async () => {
  server.startSession('s1', [aMessage({ text: 'of the first' })])
  server.startSession('s2', [aMessage({ text: 'of the second' })])
  const chat = await openChat('s1')
  await expect.poll(() => bubbles(chat)).toEqual(['of the first'])
  chat.session = 's2'
  await chat.updateComplete
  expect(bubbles(chat)).not.toContain('of the first')
  await expect.poll(() => bubbles(chat)).toEqual(['of the second'])
})

describe('text', () => {
  test('has the direction of its own words: the mark at the end of a Hebrew message is at its left', async () => {
    server.startSession('s1', [aMessage({ text: 'שלום!' })])
    const chat = await openChat()
    await expect.poll(() => bubbles(chat)).toEqual(['שלום!'])
    const text = [...(view(chat)?.querySelector('.bubble')?.childNodes ?? [])].find((node) => node instanceof Text)
    const leftOf = (character: number) => {
      const range = document.createRange()
      if (text) range.setStart(text, character)
      if (text) range.setEnd(text, character + 1)
      return range.getBoundingClientRect().left
    }
    expect(leftOf(4)).toBeLessThan(leftOf(0))
  })

  test('of a title begins at the right in a page that reads from there', async () => {
    server.startSession('s1', [aMessage({ text: 'run' })])
    await rightToLeft(async () => {
      const chat = await openChat()
      const title = chat.shadowRoot?.querySelector('h2') ?? document.body
      await expect.poll(() => title.textContent).toBe('run')
      expect(gapAtRight(title)).toBeCloseTo(0, 0)
    })
  })

  test('under a small heading is as near to it as under a large one', async () => {
    server.startSession('s1', [aReply({ text: '# One\n\n## Two\n\n### Three\n\nText.' })])
    const chat = await openChat()
    const gapBelow = (heading: string) => {
      const block = view(chat)?.querySelector(heading)?.closest('.block')
      return (
        (block?.nextElementSibling?.getBoundingClientRect().top ?? 0) - (block?.getBoundingClientRect().bottom ?? 0)
      )
    }
    await expect.poll(() => view(chat)?.querySelector('h5')?.textContent).toBe('Three')
    expect(gapBelow('h5')).toBe(8)
  })
})

describe('turns', () => {
  test('a failed and an interrupted one say why and can be retried', async () => {
    server.startSession('s1', [
      aMessage({ id: 'm1', index: 0, state: 'failed', error: 'ledger locked' }),
      aMessage({ id: 'm2', index: 1, state: 'interrupted' }),
    ])
    server.answer = ({ name }) => (name === 'message.retry' ? { result: { message_id: 'm3' } } : undefined)
    await openChat()
    await expect.element(page.getByText('No answer: ledger locked')).toBeVisible()
    await expect.element(page.getByText('Interrupted before it was answered.')).toBeVisible()
    await page.getByRole('button', { name: 'Retry' }).last().click()
    await expect
      .poll(() => server.commands.map(({ name, payload }) => ({ name, payload })))
      .toEqual([{ name: 'message.retry', payload: { session_id: 's1', message_id: 'm2' } }])
  })

  test('a long reason of a failed one has its icon beside it and Retry below', async () => {
    server.startSession('s1', [aMessage({ state: 'failed', error: 'the ledger is locked, and '.repeat(10) })])
    const chat = await openChat()
    await expect.poll(() => view(chat)?.querySelector('.trouble')).not.toBeNull()
    const [icon, reason, retry] = ['.trouble .icon', '.trouble span', '.trouble button'].map(
      (each) => view(chat)?.querySelector(each)?.getBoundingClientRect() ?? new DOMRect(),
    )
    expect((icon?.right ?? 0) <= (reason?.left ?? 0)).toBe(true)
    expect(Math.abs((icon?.top ?? 0) - (reason?.top ?? 0))).toBeLessThan(8)
    expect(retry?.top).toBeGreaterThanOrEqual(reason?.bottom ?? 0)
  })

  test('the reason of a failed one is right under what was said', async () => {
    server.startSession('s1', [aMessage({ state: 'failed', error: 'ledger locked' })])
    const chat = await openChat()
    const trouble = await vi.waitUntil(() => view(chat)?.querySelector('.trouble'))
    const said = view(chat)?.querySelector('.bubble')?.getBoundingClientRect()
    expect(trouble.getBoundingClientRect().top - (said?.bottom ?? 0)).toBeLessThanOrEqual(8)
  })

  test('a refused retry says why', async () => {
    server.startSession('s1', [aMessage({ state: 'stopped' })])
    server.answer = () => ({ problem: problemOf('turn-running', 'Running', 'A turn is running.', 409) })
    await openChat()
    await page.getByRole('button', { name: 'Retry' }).click()
    await expect.element(page.getByRole('alert')).toHaveTextContent('Not retried: A turn is running.')
  })

  test('Stop is there while one runs, and only then', async () => {
    server.startSession('s1', [aMessage({ state: 'running' })], {
      turn: { id: 't', status: 'running', started_at: null },
    })
    const chat = await openChat()
    await page.getByRole('button', { name: 'Stop' }).click()
    await expect.poll(() => server.commands.map(({ name }) => name)).toEqual(['turn.stop'])
    server.setSession('s1', { turn: null })
    await expect.element(page.getByRole('button', { name: 'Stop' })).not.toBeInTheDocument()
    expect(focused(chat)).toBe('TEXTAREA')
  })

  test('a queued message says that it is', async () => {
    server.startSession('s1', [aMessage({ state: 'queued' })])
    await openChat()
    await expect.element(page.getByText('Queued behind the answer before it')).toBeVisible()
  })
})

test('a notice is one line; what it said before opens below it', async () => {
  const at = new Date().toISOString()
  server.startSession('s1', [
    aNotice({
      text: 'page 3',
      earlier: [
        { text: 'page 1', at },
        { text: 'page 2', at },
      ],
    }),
  ])
  await openChat()
  await expect.element(page.getByText('page 1')).not.toBeInTheDocument()
  await page.getByRole('button', { name: '2 earlier' }).click()
  await expect.element(page.getByText('page 1')).toBeVisible()
  server.say('s1', aNotice({ text: 'page 4', earlier: [{ text: 'page 3', at }] }))
  await expect.element(page.getByRole('button', { name: '1 earlier' })).toHaveAttribute('aria-expanded', 'true')
})

test('a shown task is a live card, a block is drawn or shown as data', async () => {
  const at = new Date().toISOString()
  server.jobs.set('job-1', aJob())
  server.startSession('s1', [
    aTaskItem({ index: 0, message: 'Building daily report' }),
    { kind: 'block', id: 'b1', index: 1, at, block: { kind: 'heading', text: 'Summary' } },
    { kind: 'block', id: 'b2', index: 2, at, block: { kind: 'unheard-of', rows: 3 } },
  ])
  await openChat()
  await expect.element(page.getByText('Building daily report')).toBeVisible()
  await expect.element(page.getByRole('heading', { name: 'Summary' })).toBeVisible()
  await expect.element(page.getByText(/"rows": 3/)).toBeVisible()
})

describe('an image', () => {
  const at = new Date().toISOString()
  const picture = `data:image/svg+xml,${encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" width="900" height="90"/>')}`
  const anImage = (url: string, alt = 'Sales by month', index = 0): TranscriptItem => ({
    ...{ kind: 'block', id: `image-${index}`, index, at },
    block: { kind: 'image', url, alt },
  })

  test('is shown, with its words for those who do not see it, no wider than the log', async () => {
    server.startSession('s1', [anImage(picture)])
    await openChat()
    const image = page.getByRole('img', { name: 'Sales by month' })
    await expect.poll(() => image.element().getBoundingClientRect().height).toBeGreaterThan(30)
    expect(image.element().getBoundingClientRect().width).toBeLessThanOrEqual(728)
    expect(image.element().closest('a')).toBeNull()
  })

  test('of an address without a host is the server’s, opens whole, and says so in words when it cannot be had', async () => {
    server.startSession('s1', [anImage('/charts/october.png')])
    const chat = await openChat()
    const address = `${server.base}/charts/october.png`
    const link = await vi.waitUntil(() => view(chat)?.querySelector('figure a'))
    expect(link.getAttribute('href')).toBe(address)
    expect(link.getAttribute('rel')).toContain('noopener')
    expect(link.querySelector('img')?.src).toBe(address)
    link.querySelector('img')?.dispatchEvent(new Event('error'))
    await expect.element(page.getByText('The image cannot be shown: Sales by month')).toBeVisible()
    expect(link).not.toBeVisible()
    server.say('s1', anImage(picture))
    await expect.element(page.getByRole('img', { name: 'Sales by month' })).toBeVisible()
    await expect.element(page.getByText('The image cannot be shown')).not.toBeInTheDocument()
  })

  test('without a size of its own has one all the same', async () => {
    // A file that the server of the tests has.
    server.startSession('s1', [anImage(new URL('/src/http/static/icon.svg', window.location.href).href)])
    await openChat()
    const image = page.getByRole('img', { name: 'Sales by month' })
    await expect.poll(() => image.element().getBoundingClientRect().width).toBeGreaterThan(100)
  })

  test.each([
    'javascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'file:///etc/passwd',
    'blob:https://example.org/1',
    'https://',
  ])('of %s is not fetched: it is shown as the data it is', async (url) => {
    server.startSession('s1', [anImage(url)])
    const chat = await openChat()
    await expect.poll(() => view(chat)?.querySelector('.json')?.textContent).toContain(url)
    expect(view(chat)?.querySelector('img, a')).toBeNull()
  })
})

test('data reads from left to right in a page that does not', async () => {
  const at = new Date().toISOString()
  server.startSession('s1', [{ kind: 'block', id: 'b1', index: 0, at, block: { kind: 'metric', value: 42 } }])
  await rightToLeft(async () => {
    const chat = await openChat()
    const data = await vi.waitUntil(() => view(chat)?.querySelector('.json'))
    expect(getComputedStyle(data).direction).toBe('ltr')
  })
})

describe('scrolling', () => {
  const long = (count: number) =>
    Array.from({ length: count }, (_, index) =>
      index % 2 === 0
        ? aMessage({ id: `m${index}`, index, text: `question ${index}` })
        : aReply({ id: `r${index}`, index, text: `Answer ${index}.\n\nWith a second paragraph.` }),
    )
  const toGo = (log: HTMLElement) => log.scrollHeight - log.clientHeight - log.scrollTop

  test('opens at the end and follows what comes', async () => {
    server.startSession('s1', long(40))
    const chat = await openChat()
    await expect.element(page.getByText('Answer 39.')).toBeVisible()
    await expect.poll(() => toGo(scroller(chat))).toBeLessThanOrEqual(1)
    server.say('s1', aReply({ id: 'new', index: 40, text: 'Line\n\n'.repeat(12) }))
    await expect.poll(() => view(chat)?.querySelectorAll('[data-reply="new"] .block').length).toBe(12)
    await expect.poll(() => toGo(scroller(chat))).toBeLessThanOrEqual(1)
  })

  test('what is being read does not move by a pixel while replies stream, arrive, and earlier ones are put in', async () => {
    server.startSession('s1', long(300))
    const chat = await openChat()
    await expect.element(page.getByText('Answer 299.')).toBeVisible()
    const logged = scroller(chat)
    logged.scrollTop = 1_500
    await frames()
    const rows = () => [...(view(chat)?.querySelectorAll<HTMLElement>('.entry') ?? [])]
    const edge = logged.getBoundingClientRect().top
    const read = rows().find((row) => row.getBoundingClientRect().bottom > edge)
    const place = () => read?.getBoundingClientRect().top
    const before = place()
    const drawn = rows().length

    for (let word = 1; word <= 30; word++) {
      server.say('s1', aReply({ id: 'stream', index: 300, streaming: word < 30, text: 'word '.repeat(word * 8) }))
      await frames(1)
      expect(place()).toBeCloseTo(before ?? 0, 0)
    }
    await expect.element(page.getByRole('button', { name: '1 new message' })).toBeVisible()

    // The earlier rows come in before the first one.
    view(chat)?.querySelector<HTMLElement>('.center button')?.click()
    await expect.poll(() => rows().length).toBeGreaterThan(drawn)
    await frames()
    expect(place()).toBeCloseTo(before ?? 0, 0)

    await page.getByRole('button', { name: '1 new message' }).click()
    await expect.poll(() => toGo(logged)).toBeLessThanOrEqual(1)
    await expect.element(page.getByRole('button', { name: /new message/ })).not.toBeInTheDocument()
    expect(view(chat)?.activeElement).toBe(logged)
  })

  test('one notch upwards stops the following', async () => {
    server.startSession('s1', long(60))
    const chat = await openChat()
    await expect.element(page.getByText('Answer 59.')).toBeVisible()
    const logged = scroller(chat)
    await expect.poll(() => toGo(logged)).toBeLessThanOrEqual(1)
    logged.scrollTop -= 12
    await frames()
    const top = logged.scrollTop
    server.say('s1', aReply({ id: 'new', index: 60, text: 'One more.' }))
    await expect.element(page.getByRole('button', { name: '1 new message' })).toBeVisible()
    expect(logged.scrollTop).toBe(top)
  })

  test('of two thousand messages a hundred are drawn, and typing draws none of them again', async () => {
    server.startSession('s1', long(2_000))
    const chat = await openChat()
    await expect.element(page.getByText('Answer 1999.')).toBeVisible()
    expect(view(chat)?.querySelectorAll('.entry').length).toBeLessThanOrEqual(100)
    let changes = 0
    const observer = new MutationObserver((records) => {
      changes += records.length
    })
    const root = view(chat)
    if (root) observer.observe(root, { childList: true, subtree: true, characterData: true, attributes: true })
    await box().click()
    await userEvent.keyboard('typing goes on')
    await frames()
    expect(changes).toBe(0)
    observer.disconnect()
  })

  test('a change of one item draws no other', async () => {
    server.startSession('s1', long(40))
    const chat = await openChat()
    await expect.element(page.getByText('Answer 39.')).toBeVisible()
    const touched = new Set<Element | null>()
    const observer = new MutationObserver((records) => {
      for (const { target } of records) {
        const element = target instanceof Element ? target : target.parentElement
        if (element?.closest('.entry')) touched.add(element.closest('.entry'))
      }
    })
    const root = view(chat)
    if (root) observer.observe(root, { childList: true, subtree: true, characterData: true })
    server.say('s1', aReply({ id: 'r39', index: 39, text: 'Changed.' }))
    await expect.element(page.getByText('Changed.')).toBeVisible()
    expect(touched.size).toBe(1)
    observer.disconnect()
  })
})

describe('for screen readers', () => {
  test('a whole reply is announced as a sentence, its tokens are not', async () => {
    server.startSession('s1', [aMessage()])
    await openChat()
    await expect.element(log()).toBeVisible()
    const said: (string | null)[] = []
    const observer = new MutationObserver(() =>
      said.push(document.getElementById('capsule-announcer')?.textContent ?? null),
    )
    observer.observe(document.body, { childList: true, subtree: true, characterData: true })
    for (const text of ['The', 'The report', 'The report is']) {
      server.say('s1', aReply({ text, streaming: true }))
      await frames()
    }
    server.say('s1', aReply({ text: 'The report is done.' }))
    // The announcer leaves a pause after whatever it said in a test before.
    await expect.poll(() => said, { timeout: 5_000 }).toContain('Reply: The report is done.')
    expect(said.filter((each) => each?.startsWith('Reply: The'))).toEqual(['Reply: The report is done.'])
    observer.disconnect()
  })

  test.each([
    ['light', 1024],
    ['dark', 1024],
    ['light', 320],
    ['dark', 320],
  ])('axe finds nothing in %s at %i px', async (theme, width) => {
    document.documentElement.lang = 'en'
    document.documentElement.style.colorScheme = theme
    document.body.style.background = theme === 'dark' ? '#151617' : '#fbfbf9'
    server.jobs.set('job-1', aJob())
    const at = new Date().toISOString()
    server.startSession(
      's1',
      [
        aMessage({ id: 'm1', index: 0, state: 'failed', error: 'ledger locked' }),
        aReply({
          id: 'r1',
          index: 1,
          text: '## Title\n\nSome `code` and [a link](https://example.com)\n\n```\nx\n```\n\n> quote\n\n| a |\n| - |\n| 1 |',
        }),
        aNotice({ id: 'n1', index: 2, earlier: [{ text: 'before', at }] }),
        aTaskItem({ id: 't1', index: 3 }),
        aMessage({ id: 'm2', index: 4, state: 'queued' }),
        aReply({ id: 'r2', index: 5, text: 'Being **writ', streaming: true }),
        { kind: 'block', id: 'b2', index: 6, at, block: { kind: 'unheard-of', rows: 3 } },
        { kind: 'block', id: 'b3', index: 7, at, block: { kind: 'image', url: '/october.png', alt: 'Sales' } },
      ],
      { title: 'October close', turn: { id: 't', status: 'running', started_at: null } },
    )
    const main = document.createElement('main')
    main.innerHTML = '<h1>Page</h1>'
    main.style.width = `${width}px`
    const chat = new CapsuleChat()
    chat.setAttribute('src', server.base)
    chat.setAttribute('session', 's1')
    chat.style.height = '900px'
    main.append(chat)
    document.body.append(main)
    await expect.poll(() => view(chat)?.querySelector('.streaming strong')?.textContent).toBe('writ')
    await frames()
    await atRest()
    const { violations } = await axe.run(main)
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([])
  })
})

test('the log names its days anew when a day begins, though nothing is said', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: new Date(2026, 10, 21, 23, 59, 58) })
  try {
    server.startSession('s1', [aMessage({ text: 'late', at: new Date().toISOString() })])
    const chat = await openChat()
    await expect.poll(() => view(chat)?.querySelector('.day')?.textContent).toContain('Today')
    vi.setSystemTime(new Date(2026, 10, 22, 0, 0, 1))
    await expect.poll(() => view(chat)?.querySelector('.day')?.textContent, { timeout: 3000 }).toContain('Yesterday')
  } finally {
    vi.useRealTimers()
  }
})
