import { afterEach, beforeEach, expect, test } from 'vitest'
import { CapsuleTaskDetail } from '../../web-components/task-card/task-detail.ts'
import { aJob, FakeBoardServer } from './fake-board-server.ts'
import { eventually, inside, show } from './support.ts'

let server: FakeBoardServer

beforeEach(() => {
  server = new FakeBoardServer()
})
afterEach(() => {
  document.body.replaceChildren()
  server[Symbol.dispose]()
})

// The policy holds for the rest of this file's page: nothing else belongs here.
test('the detail with its statechart works under a strict policy with Trusted Types, without a single violation', async () => {
  const violations: string[] = []
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, sourceFile, sample }) => {
    violations.push(`${violatedDirective} ${sourceFile} ${sample}`)
  })
  const policy = document.createElement('meta')
  policy.httpEquiv = 'Content-Security-Policy'
  policy.content = "style-src 'self'; require-trusted-types-for 'script'; trusted-types lit-html 'allow-duplicates'"
  document.head.append(policy)

  const at = new Date().toISOString()
  const event = { at, by: 'system', position: '1', revision: 0, data: {}, hash: null }
  server.history = [
    { ...event, type: 'TaskSubmitted' },
    { ...event, type: 'TaskStarted' },
  ]
  server.put(aJob({ id: 'job-1', status: 'running' }))
  const root = await inside(CapsuleTaskDetail.open(show(document.createElement('div')), server.base, 'job-1'))
  await eventually(() => root.querySelectorAll('.statechart .step').length === 2, 'the path')
  expect(violations).toEqual([])

  // The policy is in force: the same page may not do what it forbids.
  const probe = document.createElement('p')
  expect(() => probe.setAttribute('style', 'color: red')).not.toThrow()
  await eventually(() => violations.length > 0, 'a violation')
})
