/** Elements in a page of another origin: of a server that names it, and of one that does not. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Browser, chromium, type Page } from 'playwright'
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest'
import { CHROMIUM_ARGS, findChromium } from '../../scripts/chromium.ts'
import { makeKey } from '../../src/http/index.ts'
import { serve, temporaryDirectory } from '../crash/server.ts'

vi.setConfig({ testTimeout: 90_000 })

const APP = 'test/e2e/apps/tutorial.ts'

let browser: Browser
beforeAll(async () => {
  browser = await chromium.launch({ executablePath: findChromium(), args: [...CHROMIUM_ARGS] })
}, 60_000)
afterAll(() => browser.close())

/** A site that serves one page, which may be written once its own address is known. */
async function site(): Promise<{ origin: string; show: (html: string) => Promise<Page> }> {
  let html = ''
  const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end(html))
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  onTestFinished(() => void server.close())
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`
  return {
    origin,
    show: async (written) => {
      html = `<!doctype html><title>Shop</title>${written}`
      const page = await (await browser.newContext()).newPage()
      await page.goto(origin)
      return page
    },
  }
}

const elements = (url: string) => `
  <script type="module" src="${url}/components.js"></script>
  <capsule-chat src="${url}"></capsule-chat>
  <capsule-task-board src="${url}"></capsule-task-board>`

it('of an origin that the server names chats, runs tasks and shows the board, live', async () => {
  const { origin, show } = await site()
  const { url } = await serve({
    app: APP,
    data: await temporaryDirectory(),
    origins: [origin, 'https://other.example'],
  })
  const page = await show(elements(url))
  const composer = page.getByRole('textbox', { name: 'Message' })
  await composer.fill('run 0')
  await composer.press('Enter')
  await page.getByRole('log', { name: 'Conversation' }).getByText('Submitted run-0').waitFor()
  await page.locator('capsule-task-board').getByText('run-0').first().waitFor()
})

it('asks with a key that the page has, where there are keys', async () => {
  const { origin, show } = await site()
  const { key, line } = makeKey('ann', 'write')
  const env = { CAPSULE_AUTH_API_KEYS: line, CAPSULE_ORIGINS: ` ${origin}/ , https://other.example` }
  const { url } = await serve({ app: APP, data: await temporaryDirectory(), env })
  const page = await show(`
    <script type="module">
      import { signIn } from '${url}/components.js'
      signIn('${url}', (refused) => refused ? undefined : '${key}')
    </script>
    <capsule-chat src="${url}"></capsule-chat>`)
  const composer = page.getByRole('textbox', { name: 'Message' })
  await composer.fill('run 0')
  await composer.press('Enter')
  await page.getByRole('log', { name: 'Conversation' }).getByText('Submitted run-0').waitFor()
})

it('of any other origin is refused, with what to do', async () => {
  const { origin, show } = await site()
  const { url } = await serve({ app: APP, data: await temporaryDirectory(), origins: ['https://other.example'] })
  const refused = await fetch(`${url}/api/v1/tasks`, { headers: { origin } })
  expect(refused.status).toBe(403)
  expect(await refused.json()).toMatchObject({ detail: expect.stringContaining(`--origin ${origin}`) })
  const page = await show('')
  const answer = await page.evaluate((at) => fetch(`${at}/api/v1/tasks`).then(String, String), url)
  expect(answer).toContain('Failed to fetch')
})
