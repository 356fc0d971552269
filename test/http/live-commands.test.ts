/** Commands over the live socket: each once, with its answer, and the refusals as problems. */
import { describe, expect, it } from 'vitest'
import { CommandRefused } from '../../src/actors/index.ts'
import { jobView, scheduleView } from './fake-app.ts'
import { codeOf, connected, LiveClient, uuid } from './serving.ts'

describe('a command', () => {
  it('is acknowledged with its result and the position that shows it', async () => {
    const { app, client } = await connected()
    client.send({
      type: 'command',
      id: uuid(1),
      name: 'task.submit',
      payload: { name: 'greet', params: { name: 'Ann' } },
    })
    expect(await client.next('ack')).toMatchObject({
      id: uuid(1),
      position: '2',
      result: { task_name: 'greet', params: { name: 'Ann' } },
    })
    expect(app.calls).toMatchObject([
      { args: [{ idempotencyKey: uuid(1) }], caller: { by: 'user:local', ownerId: 'local', commandId: uuid(1) } },
    ])
  })

  it('submits with all that a submit over HTTP takes', async () => {
    const { app, client } = await connected()
    const more = { run_at: '2026-02-01T09:00:00Z', priority: 5, callback_url: 'https://example.org/done' }
    client.send({ type: 'command', id: uuid(1), name: 'task.submit', payload: { name: 'greet', ...more } })
    await client.next('ack')
    expect(app.calls[0]?.args).toEqual([
      {
        name: 'greet',
        params: {},
        runAt: '2026-02-01T09:00:00Z',
        priority: 5,
        callbackUrl: 'https://example.org/done',
        idempotencyKey: uuid(1),
      },
    ])
    client.send({ type: 'command', id: uuid(2), name: 'task.submit', payload: { name: 'greet', delay: 1, ...more } })
    expect((await client.next('error')).problem).toMatchObject({ errors: [{ path: 'run_at' }] })
  })

  it('does nothing more when it is repeated, on another socket, too', async () => {
    const { app, client, url } = await connected()
    const frame = { type: 'command', id: uuid(1), name: 'task.submit', payload: { name: 'greet' } } as const
    client.send(frame)
    const first = await client.next('ack')
    const again = await new LiveClient(url).opened()
    again.send({ type: 'hello', protocol: 1 })
    await again.next('welcome')
    again.send(frame)
    expect(await again.next('ack')).toEqual(first)
    expect(app.reads.jobsById.size).toBe(1)
  })

  it.each([
    ['message.send', { session_id: 's', text: 'run', create: true }, 'sendMessage', { message_id: uuid(1) }],
    ['message.retry', { session_id: 's', message_id: 'm' }, 'retryMessage', { message_id: 'm-again' }],
    ['turn.stop', { session_id: 's' }, 'stopTurn', {}],
    ['job.cancel', { id: 'j' }, 'cancel', { id: 'j', status: 'cancelled' }],
    ['job.retry', { id: 'j' }, 'retry', { id: 'j', status: 'pending' }],
    ['schedule.trigger', { name: 'digest' }, 'triggerSchedule', { job_id: 'job-now' }],
    ['schedule.pause', { name: 'digest' }, 'pauseSchedule', { name: 'digest', paused: true }],
    ['schedule.resume', { name: 'digest' }, 'resumeSchedule', { name: 'digest', paused: false }],
  ])('%s does what it says', async (name, payload, called, result) => {
    const { app, client } = await connected()
    app.put(jobView('j'))
    app.reads.schedulesByName.set('digest', scheduleView('digest'))
    client.socket.send(JSON.stringify({ type: 'command', id: uuid(1), name, payload }))
    expect((await client.next('ack')).result).toMatchObject(result)
    expect(app.calls).toMatchObject([{ command: called, caller: { commandId: uuid(1) } }])
  })

  it.each([
    ['an id that is no UUID', { id: '1', name: 'turn.stop', payload: { session_id: 's' } }],
    ['an unknown name', { id: uuid(1), name: 'job.explode', payload: {} }],
    ['a payload that does not fit', { id: uuid(1), name: 'job.cancel', payload: { id: 7 } }],
    ['no payload', { id: uuid(1), name: 'job.cancel' }],
  ])('with %s is refused, and the socket stays', async (_what, command) => {
    const { app, client } = await connected()
    client.socket.send(JSON.stringify({ type: 'command', ...command }))
    expect(await client.next('error')).toMatchObject({ id: command.id, problem: { status: 422 } })
    expect(app.calls).toEqual([])
  })

  it('that the app refuses is answered with why', async () => {
    const { app, client } = await connected()
    app.failures.push(new CommandRefused('cancel', 'It has already completed.'))
    client.send({ type: 'command', id: uuid(1), name: 'job.cancel', payload: { id: 'j' } })
    expect(await client.next('error')).toMatchObject({
      id: uuid(1),
      problem: { type: 'urn:capsule:error:command-refused', detail: 'It has already completed.' },
    })
  })

  it('that fails by a fault of the server is reported', async () => {
    const { app, client, errors } = await connected()
    app.failures.push(new Error('secret'))
    client.send({ type: 'command', id: uuid(1), name: 'job.cancel', payload: { id: 'j' } })
    const { problem } = await client.next('error')
    expect(codeOf(problem)).toBe('internal')
    expect(JSON.stringify(problem)).not.toContain('secret')
    expect(errors).toMatchObject([{ message: 'secret' }])
  })

  it('waits its turn when many are under way, and none is lost', async () => {
    const { client } = await connected({ limits: { commands: 2 } })
    for (let n = 0; n < 50; n++) {
      client.send({ type: 'command', id: uuid(n), name: 'task.submit', payload: { name: 'greet' } })
    }
    const ids = new Set<string>()
    for (let n = 0; n < 50; n++) ids.add((await client.next('ack')).id)
    expect(ids.size).toBe(50)
  })
})
