/** Elements in a page of another origin: a site that embeds a chat and a board of a server that let it in, and one that was not. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright'
import { expect, it, onTestFinished } from 'vitest'
import { makeKey } from '../../../src/http/index.ts'
import { serveHere } from '../../cli/serve-here.ts'
import { type Answering, serve, temporaryDirectory } from '../../crash/server.ts'
import { theBrowser } from './chromium.ts'

const APP = 'test/e2e/apps/tutorial.ts'

/** A site of its own, whose one page is said later: it names a server that has to know the site first. */
async function site(): Promise<{ readonly origin: string; page: string }> {
  const shown = { origin: '', page: '' }
  const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end(shown.page))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve()).closeAllConnections()))
  shown.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return shown
}

const embedding = ({ url }: Answering, more = ''): string => `<!doctype html><html lang="en"><title>Shop</title>
  <link rel="stylesheet" crossorigin href="${url}/tokens.css">
  <script type="module" src="${url}/components.js"></script>
  <capsule-chat src="${url}" style="height: 400px"></capsule-chat>
  <capsule-task-board src="${url}"></capsule-task-board>${more}`

/** A page at an origin, opened by one who was elsewhere before, and what its console complained of. */
async function visit(origin: string, before = origin): Promise<{ readonly page: Page; readonly complaints: string[] }> {
  const page = await (await theBrowser()).newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  await page.goto(before)
  await page.waitForLoadState('networkidle')
  await page.goto(origin)
  return { page, complaints }
}

async function chatAndWatch(page: Page): Promise<void> {
  const composer = page.getByRole('textbox', { name: 'Message' })
  await composer.fill('run 0')
  await composer.press('Enter')
  await page.getByRole('log', { name: 'Conversation' }).getByText('Submitted run-0').waitFor()
  // The dialog asks by itself, over HTTP: with a preflight where a key goes along.
  await page.getByRole('button', { name: 'run-0, Completed' }).click()
  await page.getByRole('dialog').getByText('build_report').first().waitFor()
}

export function otherOrigin(): void {
  it('has chat and board of a server without keys that let it in', async () => {
    const shop = await site()
    const server = await serveHere({
      app: APP,
      data: 'memory',
      env: { CAPSULE_ORIGINS: `https://shop.example, ${shop.origin}/` },
    })
    shop.page = embedding(server)
    // The browser has the files already: as kept for the server's own pages.
    const { page, complaints } = await visit(shop.origin, server.url)
    await chatAndWatch(page)
    expect(complaints).toEqual([])
    await server.stop()
  })

  it('has them of a server with keys, and says itself where its key comes from', async () => {
    const shop = await site()
    const { key, line } = makeKey('ann', 'write')
    const server = await serve({
      app: APP,
      data: await temporaryDirectory(),
      args: ['--origin', 'https://shop.example', '--origin', shop.origin],
      env: { CAPSULE_AUTH_API_KEYS: line },
    })
    shop.page = embedding(
      server,
      `<script type="module">
      import { signIn } from '${server.url}/components.js'
      signIn('${server.url}', (refused) => (refused ? undefined : '${key}'))
    </script>`,
    )
    const { page, complaints } = await visit(shop.origin)
    await chatAndWatch(page)
    expect(complaints).toEqual([])
    await server.kill()
  })

  it('has nothing of a server that did not let it in', async () => {
    const [shop, other] = [await site(), await site()]
    const server = await serveHere({ app: APP, data: 'memory', env: { CAPSULE_ORIGINS: other.origin } })
    shop.page = embedding(server)
    const { page } = await visit(shop.origin)
    const tried = await page.evaluate(async (url) => {
      const asked = (path: string, init: RequestInit) =>
        fetch(url + path, init).then(
          () => 'answered',
          () => 'refused',
        )
      const connect = () =>
        new Promise((resolve) => {
          const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/live`)
          socket.onmessage = () => resolve('heard')
          socket.onclose = ({ code, reason }) => resolve(`${code} ${reason}`)
        })
      return {
        read: await asked('/api/v1/jobs', {}),
        // A simple request, which reaches the server without a preflight.
        write: await asked('/api/v1/tasks/build_report/$submit', { method: 'POST', mode: 'no-cors', body: '{}' }),
        socket: await connect(),
      }
    }, server.url)
    expect(await page.locator('capsule-chat:not(:defined)').count()).toBe(1)
    const socket = `4403 A page of ${shop.origin} may not use this server without its option --origin.`
    expect(tried).toEqual({ read: 'refused', write: 'refused', socket })
    expect((await server.ask<unknown[]>('GET', '/api/v1/jobs')).body).toEqual([])
    await server.stop()
  })
}
