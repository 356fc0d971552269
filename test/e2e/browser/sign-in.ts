/** A browser at a server with keys: it is led to the page for signing in, and works as anywhere once it has. */
import { expect, it } from 'vitest'
import { makeKey } from '../../../src/http/index.ts'
import { serveHere } from '../../cli/serve-here.ts'
import { temporaryDirectory } from '../../crash/server.ts'
import { theBrowser } from './chromium.ts'

export function signIn(): void {
  it('signs in with a key, chats, finds back after a restart that signed it out, and signs out', async () => {
    const { key, line } = makeKey('ann', 'write')
    const options = { app: 'test/e2e/apps/tutorial.ts', data: await temporaryDirectory() }
    const server = await serveHere({ ...options, env: { CAPSULE_AUTH_API_KEYS: line } })
    const page = await (await theBrowser()).newPage()
    const violations: string[] = []
    page.on('console', (message) => {
      if (/content security policy/i.test(message.text())) violations.push(message.text())
    })
    const signIn = async (text: string) => {
      await page.getByLabel('API key').fill(text)
      await page.getByRole('button', { name: 'Sign in' }).click()
    }

    await page.goto(`${server.url}/pages/tasks`)
    await signIn('capsule_wrong')
    await page.getByRole('alert').getByText('does not know the key').waitFor()
    await signIn(key)
    await page.getByRole('heading', { name: 'All tasks' }).waitFor()
    expect(new URL(page.url()).pathname).toBe('/pages/tasks')

    await page.getByRole('link', { name: 'Chat' }).click()
    const composer = page.getByRole('textbox', { name: 'Message' })
    await composer.fill('run 0')
    await composer.press('Enter')
    await page.getByRole('log', { name: 'Conversation' }).getByText('Submitted run-0').waitFor()

    // No secret is set, so a restart signs everybody out.
    await server.stop()
    const again = await serveHere({ ...options, port: server.port, env: { CAPSULE_AUTH_API_KEYS: line } })
    await page.getByRole('link', { name: 'Sign in' }).first().click()
    await signIn(key)
    await page.getByRole('log', { name: 'Conversation' }).getByText('Submitted run-0').waitFor()

    await page.goto(`${server.url}/sign-in`)
    await page.getByText('You are signed in as ann').waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('API key').waitFor()
    await page.goto(server.url)
    expect(new URL(page.url()).pathname).toBe('/sign-in')
    expect(violations).toEqual([])
    await again.stop()
  })
}
