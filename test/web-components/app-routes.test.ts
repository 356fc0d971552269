import { describe, expect, test } from 'vitest'
import { groupSessions, titleOf, workOf } from '../../web-components/app/conversations.ts'
import { pathOf, type Route, routeOf } from '../../web-components/app/routes.ts'
import { aSession } from './chat-fake-server.ts'

describe('addresses of the shell', () => {
  test.each<[string, Route]>([
    ['/', { kind: 'start' }],
    ['/chat', { kind: 'chat', session: null }],
    ['/chat/0193-ab', { kind: 'chat', session: '0193-ab' }],
    ['/chat/a%2Fb', { kind: 'chat', session: 'a/b' }],
    ['/pages/tasks', { kind: 'page', slug: 'tasks' }],
    ['/schedules', { kind: 'schedules' }],
  ])('%s is read and written alike', (path, route) => {
    expect(routeOf(path)).toEqual(route)
    expect(pathOf(route)).toBe(path)
  })

  test.each(['/pages', '/schedules/nightly', '/chat/a/b', '/other', '/chat/%E0%A4%A'])('%s names nothing', (path) => {
    expect(routeOf(path)).toEqual({ kind: 'unknown', path })
  })
})

describe('the list of conversations', () => {
  const now = new Date(2026, 10, 22, 12).getTime()
  const at = (day: number, hour: number) => new Date(2026, 10, day, hour).toISOString()

  test('is grouped by day, newest first within it, without empty groups', () => {
    const sessions = [
      aSession({ id: 'morning', updated_at: at(22, 8) }),
      aSession({ id: 'old', updated_at: at(3, 8) }),
      aSession({ id: 'noon', updated_at: at(22, 11) }),
    ]
    expect(
      groupSessions(sessions, '', now).map(({ label, sessions }) => [label, sessions.map(({ id }) => id)]),
    ).toEqual([
      ['Today', ['noon', 'morning']],
      ['Earlier', ['old']],
    ])
  })

  test.each([
    [{ title: 'October close', opening: 'close the books', preview: 'Done.' }, 'October close'],
    [{ title: null, opening: 'close the books', preview: 'Done.' }, 'close the books'],
    [{ title: null, opening: null, preview: 'Try: `run_all` or **wait**' }, 'Try: run_all or wait'],
    [{ title: null, opening: null, preview: null }, 'Conversation'],
  ])('%o is called %s', (facts, title) => {
    expect(titleOf(aSession(facts))).toBe(title)
  })

  test.each([
    [{ running: 1, waiting: 1, completed: 4, failed: 1 }, null, 'running', '1 running, 1 waiting'],
    [{ running: 0, waiting: 2, completed: 0, failed: 0 }, null, 'scheduled', '2 waiting'],
    [{ running: 0, waiting: 0, completed: 4, failed: 1 }, null, 'failed', '1 failed'],
    [{ running: 0, waiting: 0, completed: 1_200, failed: 0 }, null, 'completed', '1,200 completed'],
    [{ running: 0, waiting: 0, completed: 4, failed: 0 }, 'running', 'running', 'Answering'],
    [{ running: 0, waiting: 0, completed: 0, failed: 0 }, null, null, 'No tasks'],
  ] as const)('jobs %o with a turn that is %s say %s: %s', (jobs, turn, status, words) => {
    const session = aSession({ jobs, turn: turn && { id: 't', status: turn, started_at: null } })
    expect(workOf(session)).toEqual({ status, words })
  })
})
