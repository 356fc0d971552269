/** The live connection: it says hello, gives commands once, and what it does when the server goes away or says so. */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Job } from '../../src/http/wire.ts'
import {
  BACKOFF,
  type Connection,
  connect,
  disconnect,
  ProblemError,
  SILENCE,
  signIn,
} from '../../web-components/client/index.ts'
import { given, live, settled } from './client-given.ts'
import { aJob, aProblem } from './fake-board-server.ts'

/** One that is stale, and a fresh one when that was refused. */
function tokens() {
  const asked: boolean[] = []
  const token = (refused: boolean) => {
    asked.push(refused)
    return refused ? 'fresh' : 'stale'
  }
  return { asked, token }
}

const job = (facts: Partial<Job> = {}) => aJob({ id: 'task-1', ...facts })

describe('hello', () => {
  test('says hello with the token and is live when welcome', async () => {
    const { connection, line, welcome } = given({ token: () => 'secret' })
    connection.open()
    await settled()
    expect(connection.state.status).toBe('connecting')
    welcome()
    expect(line().sent).toEqual([{ type: 'hello', protocol: 1, token: 'secret' }])
    expect(connection.state.status).toBe('live')
    expect(connection.user?.id).toBe('local')
  })

  test('counts against the clock of the server', async () => {
    const { connection, welcome, at } = given()
    connection.open()
    await settled()
    welcome('10', new Date(at() + 90_000).toISOString())
    expect(connection.now() - at()).toBe(90_000)
  })

  test('answers a ping', async () => {
    const { line } = await live()
    line().hear({ type: 'ping' })
    expect(line().sent.at(-1)).toEqual({ type: 'pong' })
  })
})

describe('commands', () => {
  test('resolve with the result of the ack', async () => {
    const { connection, line } = await live()
    const answer = connection.command('job.cancel', { id: 'task-1' })
    const [frame] = line().of('command')
    line().hear({ type: 'ack', id: frame?.id ?? '', position: '11', result: job({ status: 'cancelled' }) })
    expect((await answer).status).toBe('cancelled')
  })

  test('reject with the problem of a refusal', async () => {
    const { connection, line } = await live()
    const answer = connection.command('job.cancel', { id: 'task-1' })
    const [frame] = line().of('command')
    line().hear({
      type: 'error',
      id: frame?.id ?? '',
      problem: aProblem('ended', 'It has ended', 'It has ended: completed.'),
    })
    const error = await answer.catch((each: unknown) => each)
    expect(error).toBeInstanceOf(ProblemError)
    expect(error).toMatchObject({ message: 'It has ended: completed.', code: 'ended', status: 409 })
  })

  test('given while offline go out once live, in order; unanswered ones again under the same id', async () => {
    const { connection, line, welcome, advance } = given()
    connection.open()
    await settled()
    void connection.command('job.cancel', { id: 'a' }, 'mine')
    void connection.command('job.retry', { id: 'b' })
    expect(line().sent).toEqual([])
    welcome()
    const first = line().of('command')
    expect(first.map((frame) => frame.name)).toEqual(['job.cancel', 'job.retry'])
    expect(first[0]?.id).toBe('mine')
    line().hear({ type: 'ack', id: 'mine', position: '11', result: job() })
    line().end(1006)
    await advance(BACKOFF.base)
    welcome()
    expect(line().of('command')).toEqual([first[1]])
  })

  test('larger than a frame may be are refused here: the server would hang up on every attempt', async () => {
    const { connection, line } = await live()
    const text = 'ü'.repeat(600_000)
    const refused = connection.command('message.send', { session_id: 's1', text })
    await expect(refused).rejects.toMatchObject({ status: 413 })
    expect(line().of('command')).toEqual([])
  })

  test('given twice under one id are one, and both are answered', async () => {
    const { connection, line } = await live()
    const first = connection.command('job.cancel', { id: 'task-1' }, 'command-1')
    const second = connection.command('job.cancel', { id: 'task-1' }, 'command-1')
    line().hear({ type: 'ack', id: 'command-1', position: '11', result: job() })
    await expect(Promise.all([first, second])).resolves.toHaveLength(2)
    expect(line().of('command')).toHaveLength(1)
  })

  test('are refused at once when the connection was told to stop', async () => {
    const { connection, line } = await live()
    const waiting = connection.command('job.cancel', { id: 'a' })
    line().end(4403, 'Your account was closed.')
    await expect(waiting).rejects.toThrow('Your account was closed.')
    expect(connection.state).toMatchObject({ status: 'stopped', problem: { title: 'Not let in' } })
    await expect(connection.command('job.retry', { id: 'a' })).rejects.toBeInstanceOf(ProblemError)
  })
})

describe('when the socket is lost', () => {
  test('it is offline, waits with full jitter up to 30 s, and goes on from where it was', async () => {
    const { connection, line, lines, advance, welcome } = await live()
    connection.subscribe('job', { id: 'task-1' }, () => {})
    line().hear({ type: 'snapshot', id: line().of('subscribe')[0]?.id ?? '', position: '17', data: job() })
    line().end(1006)
    expect(connection.state.status).toBe('offline')
    for (const wait of [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
      const before = lines.length
      await advance(wait - 1)
      expect(lines).toHaveLength(before)
      await advance(1)
      expect(lines).toHaveLength(before + 1)
      line().end(1006)
    }
    await advance(30_000)
    welcome('20')
    expect(connection.state.status).toBe('live')
    expect(line().of('subscribe')[0]).toMatchObject({ topic: 'job', from: '17' })
  })

  test('jitter is from zero: with the dice at 0 it tries at once', async () => {
    const { line, lines, advance } = await live({ random: 0 })
    line().end(1012)
    await advance(0)
    expect(lines).toHaveLength(2)
  })

  test('an address that the browser will not call ends it, and says why', async () => {
    const { connection, refuse } = given()
    refuse('An insecure WebSocket may not be opened from a page loaded over https.')
    connection.open()
    await settled()
    expect(connection.state).toMatchObject({
      status: 'stopped',
      problem: { detail: expect.stringContaining('insecure') },
    })
  })

  test('a socket that says nothing is as good as lost', async () => {
    const { connection, line, advance } = await live()
    await advance(SILENCE - 1)
    line().hear({ type: 'ping' })
    await advance(SILENCE - 1)
    expect(connection.state.status).toBe('live')
    await advance(1)
    expect(connection.state.status).toBe('offline')
  })

  test('slow down is heeded even with the dice at 0', async () => {
    const { line, lines, advance } = await live({ random: 0 })
    line().end(4429)
    await advance(4_999)
    expect(lines).toHaveLength(1)
    await advance(1)
    expect(lines).toHaveLength(2)
  })

  test('coming back to the page tries at once', async () => {
    const { connection, line, lines } = await live()
    line().end(1006)
    connection.retryNow()
    await settled()
    expect(lines).toHaveLength(2)
  })

  test('a refused token is refreshed once, then it stops', async () => {
    const { asked, token } = tokens()
    const { connection, line, lines } = await live({ token })
    line().end(4401)
    await settled()
    line().open()
    expect(line().sent).toEqual([{ type: 'hello', protocol: 1, token: 'fresh' }])
    line().end(4401)
    await settled()
    expect(connection.state).toMatchObject({ status: 'stopped', problem: { title: 'Sign in again' } })
    expect(asked).toEqual([false, true])
    expect(lines).toHaveLength(2)
  })

  test('a page that says where its token is from while its elements connect is asked for it, and then as ever', async () => {
    const { asked, token } = tokens()
    const { connection, line, lines } = given()
    connection.open()
    await settled()
    connection.token = token
    line().open()
    line().end(4401)
    await settled()
    line().open()
    expect(line().sent).toEqual([{ type: 'hello', protocol: 1, token: 'stale' }])
    line().end(4401)
    await settled()
    line().open()
    expect(line().sent).toEqual([{ type: 'hello', protocol: 1, token: 'fresh' }])
    line().end(4401)
    await settled()
    expect(connection.state.status).toBe('stopped')
    expect(asked).toEqual([false, true])
    expect(lines).toHaveLength(3)
  })

  test('closing leaves no timer behind', async () => {
    const { connection, timers } = await live()
    connection.close()
    expect(timers.size).toBe(0)
  })
})

describe('the connection that a page shares', () => {
  test.each(['localhost:3000', 'http://', 'capsule.example:3000/x'])(
    'ends, and says why, where "%s" is no address',
    async (src) => {
      const connection = connect(src)
      await expect.poll(() => connection.state.status).toBe('stopped')
      expect(connection.state.problem?.detail).toContain(src)
      disconnect(connection)
    },
  )

  const LONG = 60_000

  test('is signed in again after its last element left for long, and leaves no listener with each', () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const src = 'http://127.0.0.1:9/shared'
    const token = () => 'secret'
    signIn(src, token)
    const listens = vi.spyOn(window, 'addEventListener')
    onTestFinished(() => listens.mockRestore())
    const seen = new Set<Connection>()
    for (let visit = 0; visit < 3; visit++) {
      const connection = connect(src)
      seen.add(connection)
      expect(connection.token).toBe(token)
      disconnect(connection)
      vi.advanceTimersByTime(LONG)
    }
    expect(seen.size).toBe(3)
    expect(listens).not.toHaveBeenCalled()
  })
})
