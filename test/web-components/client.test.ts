/** The live connection: topics in order, commands once, and what it does when the server goes away or says so. */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { ClientFrame, Job, Schedule, ServerFrame, Session } from '../../src/http/wire.ts'
import {
  BACKOFF,
  Connection,
  comparePositions,
  connect,
  disconnect,
  ProblemError,
  SILENCE,
  signIn,
} from '../../web-components/client/index.ts'
import { aJob, aProblem } from './fake-board-server.ts'

/** A socket in the test's hands. */
class Line {
  readyState = 0
  sent: ClientFrame[] = []
  onopen: ((event: Event) => void) | null = null
  onmessage: ((event: MessageEvent<string>) => void) | null = null
  onclose: ((event: CloseEvent) => void) | null = null
  open(): void {
    this.readyState = 1
    this.onopen?.(new Event('open'))
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text) as ClientFrame)
  }
  close(): void {
    this.readyState = 3
  }
  hear(frame: ServerFrame): void {
    this.onmessage?.(new MessageEvent('message', { data: JSON.stringify(frame) }))
  }
  end(code: number, reason = ''): void {
    this.readyState = 3
    this.onclose?.(new CloseEvent('close', { code, reason }))
  }
  of<T extends ClientFrame['type']>(type: T): Extract<ClientFrame, { type: T }>[] {
    return this.sent.filter((frame): frame is Extract<ClientFrame, { type: T }> => frame.type === type)
  }
}

/** A connection with its clock, its dice and its sockets in the test's hands. */
function given({ random = 1, token }: { random?: number; token?: (refused: boolean) => string } = {}) {
  const lines: Line[] = []
  const timers = new Map<number, { at: number; run: () => void }>()
  let now = 1_000_000
  let ids = 0
  let refusal: string | undefined
  const connection = new Connection('http://capsule.test', {
    socket: () => {
      if (refusal !== undefined) throw new DOMException(refusal, 'SecurityError')
      const line = new Line()
      lines.push(line)
      // The parts of WebSocket that a connection uses.
      return line as unknown as WebSocket
    },
    now: () => now,
    setTimeout: (run, ms) => {
      ids += 1
      timers.set(ids, { at: now + ms, run })
      return ids
    },
    clearTimeout: (timer) => void timers.delete(timer),
    random: () => random,
    uuid: () => `id-${++ids}`,
  })
  if (token) connection.token = token
  const advance = async (ms: number): Promise<void> => {
    now += ms
    for (const [id, timer] of [...timers]) {
      if (timer.at > now || !timers.delete(id)) continue
      timer.run()
    }
    await settled()
  }
  const line = (): Line => {
    const last = lines.at(-1)
    if (!last) throw new Error('no socket was opened')
    return last
  }
  const welcome = (position = '10', time?: string): void => {
    line().open()
    const server = { version: '1', node: 'node-1', ...(time === undefined ? {} : { time }) }
    line().hear({ type: 'welcome', user: { id: 'local', name: 'Local' }, position, server })
  }
  const refuse = (why: string): void => {
    refusal = why
  }
  return { connection, lines, line, advance, welcome, timers, refuse, at: () => now }
}

/** One that is stale, and a fresh one when that was refused. */
function tokens() {
  const asked: boolean[] = []
  const token = (refused: boolean) => {
    asked.push(refused)
    return refused ? 'fresh' : 'stale'
  }
  return { asked, token }
}

const settled = () => new Promise<void>((resolve) => setTimeout(resolve))

async function live(options: Parameters<typeof given>[0] = {}) {
  const world = given(options)
  world.connection.open()
  await settled()
  world.welcome()
  return world
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

describe('topics', () => {
  test('a snapshot, then deltas that continue it', async () => {
    const { connection, line } = await live()
    const seen: (number | null | undefined)[] = []
    const topic = connection.subscribe('job', { id: 'task-1' }, () => seen.push(topic.data?.progress?.fraction))
    const [subscribe] = line().of('subscribe')
    const id = subscribe?.id ?? ''
    const progress = (fraction: number) => job({ progress: { fraction, message: null } })
    line().hear({ type: 'snapshot', id, position: '10', data: progress(0.1) })
    line().hear({ type: 'delta', id, from: '10', to: '12', changes: [progress(0.2)] })
    line().hear({ type: 'delta', id, from: '12', to: '13', changes: [progress(0.3), progress(0.4)] })
    expect(seen).toEqual([0.1, 0.2, 0.4])
    expect(topic.position).toBe('13')
    expect(connection.position).toBe('13')
  })

  test('a delta that skips events is not applied: it subscribes again from where it stands', async () => {
    const { connection, line } = await live()
    const topic = connection.subscribe('job', { id: 'task-1' }, () => {})
    const first = line().of('subscribe')[0]?.id ?? ''
    line().hear({ type: 'snapshot', id: first, position: '10', data: job() })
    line().hear({ type: 'delta', id: first, from: '14', to: '15', changes: [job({ status: 'completed' })] })
    expect(topic.data?.status).toBe('pending')
    expect(
      line()
        .of('unsubscribe')
        .map((frame) => frame.id),
    ).toEqual([first])
    const again = line().of('subscribe').at(-1)
    expect(again).toMatchObject({ topic: 'job', from: '10' })
    line().hear({ type: 'delta', id: first, from: '10', to: '20', changes: [job({ status: 'failed' })] })
    expect(topic.data?.status).toBe('pending')
    line().hear({ type: 'delta', id: again?.id ?? '', from: '10', to: '15', changes: [job({ status: 'completed' })] })
    expect(topic.data?.status).toBe('completed')
  })

  test('a delta that a snapshot overtook is passed over', async () => {
    const { connection, line } = await live()
    const topic = connection.subscribe('job', { id: 'task-1' }, () => {})
    const id = line().of('subscribe')[0]?.id ?? ''
    line().hear({ type: 'snapshot', id, position: '20', data: job({ status: 'completed' }) })
    line().hear({ type: 'delta', id, from: '9', to: '12', changes: [job({ status: 'running' })] })
    expect(topic.data?.status).toBe('completed')
    expect(line().of('subscribe')).toHaveLength(1)
  })

  test('a refusal is the topic’s, and goes with the next snapshot', async () => {
    const { connection, line } = await live()
    const topic = connection.subscribe('job', { id: 'nobody' }, () => {})
    const id = line().of('subscribe')[0]?.id ?? ''
    line().hear({ type: 'error', id, problem: aProblem('not-found', 'No such job', 'There is no job nobody.', 404) })
    expect(topic.problem?.title).toBe('No such job')
    line().hear({ type: 'snapshot', id, position: '11', data: job() })
    expect(topic.problem).toBeUndefined()
  })

  test('one that the server could not serve is asked for again from the start, as after its log was begun anew', async () => {
    const { connection, line, advance } = await live()
    const subscription = connection.subscribe('job', { id: 'task-1' }, () => {})
    const [first] = line().of('subscribe')
    line().hear({ type: 'snapshot', id: first?.id ?? '', position: '41', data: job() })
    line().hear({
      type: 'error',
      id: first?.id ?? '',
      problem: aProblem('read-model-behind', 'Not caught up', '', 503),
    })
    expect(subscription.problem?.title).toBe('Not caught up')
    await advance(5_000)
    const again = line().of('subscribe').at(-1)
    expect(line().of('subscribe')).toHaveLength(2)
    expect(again).not.toHaveProperty('from')
    line().hear({ type: 'snapshot', id: again?.id ?? '', position: '6', data: job({ title: 'after' }) })
    expect([subscription.position, subscription.data?.title, subscription.problem]).toEqual(['6', 'after', undefined])
  })

  test('one that the server will not serve is not asked for again', async () => {
    const { connection, line, advance } = await live()
    connection.subscribe('job', { id: 'task-1' }, () => {})
    line().hear({
      type: 'error',
      id: line().of('subscribe')[0]?.id ?? '',
      problem: aProblem('not-found', 'No', '', 404),
    })
    await advance(5_000)
    expect(line().of('subscribe')).toHaveLength(1)
  })

  test('closing tells the server and is quiet ever after', async () => {
    const { connection, line } = await live()
    let calls = 0
    const topic = connection.subscribe('job', { id: 'task-1' }, () => {
      calls += 1
    })
    const id = line().of('subscribe')[0]?.id ?? ''
    topic.close()
    line().hear({ type: 'snapshot', id, position: '10', data: job() })
    expect(line().of('unsubscribe')).toEqual([{ type: 'unsubscribe', id }])
    expect(calls).toBe(0)
  })

  test('lists take a change by its key, new or known', async () => {
    const { connection, line } = await live()
    const sessions = connection.subscribe('sessions', {}, () => {})
    const schedules = connection.subscribe('schedules', {}, () => {})
    const [a, b] = line()
      .of('subscribe')
      .map((frame) => frame.id)
    const session = (id: string, updated_at: string) => ({ id, updated_at }) as Session
    const schedule = (name: string, paused: boolean) => ({ name, paused }) as Schedule
    line().hear({
      type: 'snapshot',
      id: a ?? '',
      position: '10',
      data: [session('one', '2026-01-02'), session('two', '2026-01-01')],
    })
    line().hear({ type: 'snapshot', id: b ?? '', position: '10', data: [schedule('digest', false)] })
    line().hear({
      type: 'delta',
      id: a ?? '',
      from: '10',
      to: '11',
      changes: [{ session: session('two', '2026-01-03') }, { session: session('new', '2026-01-04') }],
    })
    line().hear({ type: 'delta', id: b ?? '', from: '10', to: '11', changes: [schedule('digest', true)] })
    expect(sessions.data?.map((each) => each.id)).toEqual(['new', 'two', 'one'])
    expect(schedules.data).toEqual([{ name: 'digest', paused: true }])
  })
})

describe('boards', () => {
  const column = (jobs: Job[], count = jobs.length) =>
    ({ label: 'Queued', statuses: ['pending'], order: 'oldest first', after: 0, count, jobs }) as const

  async function board(jobs: Job[]) {
    const world = await live()
    const topic = world.connection.subscribe('board', {}, () => {})
    const id = world.line().of('subscribe')[0]?.id ?? ''
    const data = { position: '10', total: jobs.length, columns: [{ ...column(jobs), statuses: ['pending' as const] }] }
    world.line().hear({ type: 'snapshot', id, position: '10', data })
    return { ...world, topic, id }
  }

  test('takes new ids and changed cards, keeps the others as they are', async () => {
    const [a, b, c] = [job({ id: 'a' }), job({ id: 'b' }), job({ id: 'c' })]
    const { topic, line, id } = await board([a, b])
    const before = topic.data?.columns[0]?.jobs[1]
    line().hear({
      type: 'delta',
      id,
      from: '10',
      to: '11',
      changes: [{ column: 0, count: 2, after: 0, ids: ['c', 'b'], jobs: [c] }],
    })
    expect(topic.data?.columns[0]?.jobs.map((each) => each.id)).toEqual(['c', 'b'])
    expect(topic.data?.columns[0]?.jobs[1]).toBe(before)
    line().hear({
      type: 'delta',
      id,
      from: '11',
      to: '12',
      changes: [{ column: 0, count: 7, after: 0, jobs: [{ ...b, status: 'retry' }] }],
    })
    expect(topic.data?.columns[0]?.jobs.map((each) => each.status)).toEqual(['pending', 'retry'])
    expect(topic.data?.total).toBe(7)
  })

  test('a card it was never sent makes it ask for all', async () => {
    const { topic, line, id } = await board([job({ id: 'a' })])
    line().hear({
      type: 'delta',
      id,
      from: '10',
      to: '11',
      changes: [{ column: 0, count: 2, after: 0, ids: ['a', 'ghost'], jobs: [] }],
    })
    expect(topic.data?.columns[0]?.jobs).toHaveLength(1)
    expect(line().of('subscribe').at(-1)).not.toHaveProperty('from')
    expect(line().of('subscribe')).toHaveLength(2)
  })

  test('a moved window is moved again after a reconnect', async () => {
    const { topic, line, id, advance, welcome } = await board([job({ id: 'a' })])
    topic.window(0, 40, 50)
    expect(line().of('window')).toEqual([{ type: 'window', id, column: 0, after: 40, limit: 50 }])
    line().end(1006)
    await advance(BACKOFF.base)
    welcome()
    expect(line().of('subscribe')[0]?.params).toEqual({ windows: [{ after: 40, limit: 50 }] })
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

test('positions compare by value, whatever their length', () => {
  expect(['9', '10', '100', '99'].sort(comparePositions)).toEqual(['9', '10', '99', '100'])
})
