import { afterEach, beforeEach, expect, test } from 'vitest'
import { page } from 'vitest/browser'
import { CapsuleChat } from '../../web-components/chat/index.ts'
import { aJob, aMessage, aReply, aTaskItem, FakeServer } from './chat-fake-server.ts'

let server: FakeServer

beforeEach(() => {
  server = new FakeServer()
})

afterEach(() => {
  document.body.replaceChildren()
  server[Symbol.dispose]()
})

// The policy holds for the rest of this file's page: nothing else belongs here.
test('the chat works under a strict policy with Trusted Types, without a single violation', async () => {
  const violations: string[] = []
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, sourceFile, sample }) => {
    violations.push(`${violatedDirective} ${sourceFile} ${sample}`)
  })
  const policy = document.createElement('meta')
  policy.httpEquiv = 'Content-Security-Policy'
  policy.content =
    "style-src 'self'; require-trusted-types-for 'script'; trusted-types lit-html dompurify 'allow-duplicates'"
  document.head.append(policy)

  server.jobs.set('job-1', aJob({ progress: { fraction: 0.4, message: null } }))
  server.startSession('s1', [
    aMessage(),
    aReply({ text: '**bold**\n\n```ts\nx\n```\n\n| a |\n| -: |\n| 1 |' }),
    aTaskItem({ message: 'Building' }),
  ])
  const chat = new CapsuleChat()
  chat.setAttribute('src', server.base)
  chat.setAttribute('session', 's1')
  document.body.append(chat)
  await expect.element(page.getByText('bold')).toBeVisible()
  await expect.element(page.getByText('Building')).toBeVisible()
  server.say('s1', aReply({ id: 'r9', index: 9, text: 'Being **writ', streaming: true }))
  await expect.element(page.getByText('writ')).toBeVisible()
  expect(violations).toEqual([])

  // The policy is in force: the same page may not do what it forbids.
  const probe = document.createElement('p')
  expect(() => {
    probe.innerHTML = '<b>x</b>'
  }).toThrow(TypeError)
})
