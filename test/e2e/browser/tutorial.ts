/** The tutorial as a person lives it: a browser, a real server, its death and its return. Nothing is reloaded to see more. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BrowserContextOptions, Locator, Page } from 'playwright'
import { describe, expect, it } from 'vitest'
import { serveHere } from '../../cli/serve-here.ts'
import { type Answering, eventually, serve, temporaryDirectory } from '../../crash/server.ts'
import { theBrowser } from './chromium.ts'

const APP = 'test/e2e/apps/tutorial.ts'
const PATIENCE_MS = 30_000
/** Told by the page itself, so that a violation is an error like any other. */
const REPORT_VIOLATIONS = `document.addEventListener('securitypolicyviolation', (event) =>
  console.error('CSP violation of ' + event.violatedDirective + ' by ' + event.blockedURI))`
/** What a browser says of a server that is not there. */
const OUTAGE = /ERR_CONNECTION_(REFUSED|RESET|CLOSED)|ERR_EMPTY_RESPONSE|WebSocket connection to .* failed/

interface Visit {
  readonly page: Page
  /** What went wrong in the page, outages left out. */
  readonly errors: readonly string[]
  close(): Promise<void>
}

async function visit(server: Answering, options: BrowserContextOptions = {}): Promise<Visit> {
  // What moves all the time costs as much as all else that a browser does.
  const context = await (await theBrowser()).newContext({
    viewport: { width: 1280, height: 900 },
    reducedMotion: 'reduce',
    ...options,
  })
  await context.addInitScript(REPORT_VIOLATIONS)
  const page = await context.newPage()
  page.setDefaultTimeout(PATIENCE_MS)
  const errors: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' && !OUTAGE.test(message.text())) errors.push(message.text())
  })
  page.on('pageerror', (error) => errors.push(String(error)))
  await page.goto(server.url)
  return { page, errors, close: () => context.close() }
}

async function say(page: Page, text: string): Promise<void> {
  const composer = page.getByRole('textbox', { name: 'Message' })
  await composer.fill(text)
  await composer.press('Enter')
}

async function heard(page: Page, text: string | RegExp): Promise<void> {
  await page.getByRole('log', { name: 'Conversation' }).getByText(text).waitFor()
}

/** The card in the chat of the task shown with this message. */
const cardOf = (page: Page, message: string): Locator =>
  page.locator('capsule-task-card article').filter({ has: page.getByRole('button', { name: message, exact: true }) })

const status = (card: Locator, wanted: string): Promise<void> =>
  card.and(card.page().locator(`[data-status="${wanted}"]`)).waitFor()

const onBoard = (page: Page, board: string, title: string, is: string): Locator =>
  page
    .locator('capsule-task-board')
    .filter({ has: page.getByRole('heading', { name: board, exact: true }) })
    .locator(`[role=listitem][data-status="${is}"]`)
    .filter({ hasText: title })

/** What is said in the conversation, in order. */
async function transcript(page: Page): Promise<string[]> {
  const said = await page.locator('[part=message] .bubble, [part=reply] .prose').allTextContents()
  return said.map((text) => text.replaceAll(/\s+/g, ' ').trim())
}

export function tutorial(): void {
  describe.concurrent('in a light and in a dark browser', () => {
    it('a task is run, watched, scheduled and cancelled, in the chat and on the board', async () => {
      const server = await serveHere({ app: APP, data: await temporaryDirectory() })
      const { page, errors, close } = await visit(server, { colorScheme: 'light', reducedMotion: 'no-preference' })
      await say(page, 'run 2')
      const report = cardOf(page, 'Building run-2')
      await heard(page, '[run-2] starting')
      await heard(page, 'Submitted run-2')

      // A second window has the board open and sees the same without a reload.
      const board = await page.context().newPage()
      await board.emulateMedia({ colorScheme: 'dark' })
      board.setDefaultTimeout(PATIENCE_MS)
      await board.goto(server.url)
      await board.getByRole('link', { name: 'Tasks' }).click()
      for (const name of ['All tasks', 'build_report only']) await onBoard(board, name, 'run-2', 'completed').waitFor()
      await status(report, 'completed')
      await heard(page, '[run-2] finished after 2s')

      await say(page, 'schedule 2s')
      await status(cardOf(page, 'Building schedule-2s'), 'completed')
      for (const name of ['All tasks', 'build_report only']) {
        await onBoard(board, name, 'schedule-2s', 'completed').waitFor()
      }

      await say(page, 'schedule 100s')
      const scheduled = cardOf(page, 'Building schedule-100s')
      await status(scheduled, 'scheduled')
      const countdown = scheduled.getByText(/Starts in/)
      const left = await countdown.textContent()
      await eventually('the countdown to go on', async () => (await countdown.textContent()) !== left || undefined)
      await onBoard(board, 'All tasks', 'schedule-100s', 'scheduled').waitFor()
      await scheduled.getByRole('button', { name: 'Cancel' }).click()
      await status(scheduled, 'cancelled')
      await onBoard(board, 'All tasks', 'schedule-100s', 'cancelled').waitFor()

      await say(page, 'run 600')
      await onBoard(board, 'All tasks', 'run-600', 'running').getByRole('button', { name: 'run-600, Running' }).click()
      await board.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
      await status(cardOf(page, 'Building run-600'), 'cancelled')

      expect(await brightness(page)).toBeGreaterThan(0.5)
      expect(await brightness(board)).toBeLessThan(0.5)
      // Each is what it was in the other's colours, too.
      await page.emulateMedia({ colorScheme: 'dark' })
      await board.emulateMedia({ colorScheme: 'light' })
      expect(await brightness(page)).toBeLessThan(0.5)
      expect(await brightness(board)).toBeGreaterThan(0.5)
      const before = await transcript(page)
      await page.reload()
      await status(cardOf(page, 'Building run-600'), 'cancelled')
      expect(await transcript(page)).toEqual(before)
      expect(errors).toEqual([])
      await close()
      await server.stop()
    })
  })

  describe.concurrent('a server that is killed', () => {
    it('is said to be gone, comes back with the same history, and its running task completes', async () => {
      const data = await temporaryDirectory()
      const gate = join(data, 'gate')
      const options = { app: APP, data, env: { GATE: gate } }
      const first = await serve(options)
      const { page, errors, close } = await visit(first)
      await say(page, 'run 0.1')
      await status(cardOf(page, 'Building run-0.1'), 'completed')
      await say(page, 'hold 1')
      const interrupted = cardOf(page, 'Building hold-1')
      await status(interrupted, 'running')
      await heard(page, '[hold-1] starting')
      await heard(page, 'Submitted hold-1')
      const before = await transcript(page)

      await first.kill()
      const offline = page.getByText('Offline.', { exact: true })
      await offline.waitFor()
      // What was there stays in view.
      expect(await transcript(page)).toEqual(before)

      const second = await serve({ ...options, port: first.port })
      await offline.waitFor({ state: 'detached', timeout: 45_000 })
      await writeFile(gate, '')
      await status(interrupted, 'completed')
      await heard(page, '[hold-1] finished after 1s')
      expect((await transcript(page)).slice(0, before.length)).toEqual(before)
      await page.reload()
      await status(cardOf(page, 'Building hold-1'), 'completed')
      expect((await transcript(page)).slice(0, before.length)).toEqual(before)
      expect(errors).toEqual([])
      await close()
      await second.kill()
    })
  })

  describe.concurrent('the example', () => {
    it('does what the README says', async () => {
      const server = await serveHere({ app: 'examples/jobs-demo/app.ts', data: await temporaryDirectory() })
      const { page, errors, close } = await visit(server)
      await say(page, 'hello')
      await heard(page, 'Try: run or schedule 10m')
      await say(page, 'run')
      const report = cardOf(page, 'Building daily report…')
      await status(report, 'running')
      await heard(page, /Submitted task [0-9a-f-]{36}/)
      await status(report, 'completed')
      await heard(page, '[daily] finished after 5s')
      await page.getByRole('link', { name: 'Tasks' }).click()
      await onBoard(page, 'build_report only', 'daily', 'completed').waitFor()
      expect(errors).toEqual([])
      await close()
      await server.stop()
    })
  })
}

async function brightness(page: Page): Promise<number> {
  return lightness(await page.evaluate<string>('getComputedStyle(document.body).backgroundColor'))
}

/** Of a CSS colour as browsers compute it: 0 black, 1 white. */
function lightness(color: string): number {
  const [first = 0, ...rest] = (color.match(/[\d.]+/g) ?? []).map(Number)
  // oklch and oklab begin with their lightness; rgb has three parts of 255.
  if (color.startsWith('ok')) return first
  const [green = 0, blue = 0] = rest
  return (first + green + blue) / (3 * 255)
}
