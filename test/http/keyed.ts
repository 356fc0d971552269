/** A server with keys of each scope, and its clients. */
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import { createApp, startApp } from '../../src/app/index.ts'
import { createServer, makeKey, readKeys, type ServerOptions } from '../../src/http/index.ts'
import type { Job } from '../../src/http/wire.ts'
import { LiveClient } from './serving.ts'

export const made = {
  ann: makeKey('ann', 'write'),
  bob: makeKey('bob', 'write'),
  dash: makeKey('ann', 'read'),
  root: makeKey('root', 'admin'),
}
export type Name = keyof typeof made
export const auth = {
  keys: readKeys(
    Object.values(made)
      .map(({ line }) => line)
      .join('\n'),
  ),
}
export const as = (name: Name) => ({ 'x-api-key': made[name].key })

/** A real app in memory behind a real socket, and its clients. */
export async function keyed(options: ServerOptions = {}) {
  const app = createApp({ name: 'keyed' })
  app.task('greet', {}, () => ({ hello: true }))
  app.task('wait', {}, (_input, { signal }) => pause(600_000, undefined, { signal }))
  app.task('alone', { lock: 'only', onLocked: 'reject' }, (_input, { signal }) => pause(600_000, undefined, { signal }))
  app.message(async (session) => {
    await session.reply('Hello')
  })
  app.schedule('digest', '0 9 * * 1-5', () => {})
  const running = await startApp(app, { data: 'memory' })
  const server = await createServer(running, { port: 0, auth, ...options })
  const url = await server.listen()
  onTestFinished(async () => {
    await server.close()
    await running.stop({ drainMs: 0 })
  })
  const ask = async <T>(who: Name | Record<string, string>, method: string, path: string, body?: unknown) => {
    const answer = await fetch(url + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(typeof who === 'string' ? as(who) : who),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    const json = answer.headers.get('content-type')?.includes('json') && text !== ''
    return { status: answer.status, headers: answer.headers, body: (json ? JSON.parse(text) : text) as T }
  }
  const submit = async (who: Name, task = 'greet', more: object = {}) => {
    const { status, body } = await ask<Job>(who, 'POST', `/api/v1/tasks/${task}/$submit`, { params: {}, ...more })
    expect(status).toBe(202)
    return body
  }
  const live = async (who: Name) => {
    const client = await new LiveClient(url).opened()
    client.send({ type: 'hello', protocol: 1, token: made[who].key })
    const { user } = await client.next('welcome')
    return { client, user }
  }
  const signIn = async (who: Name, origin = url) => {
    const answer = await ask({ origin }, 'POST', '/api/v1/user/$sign-in', { key: made[who].key })
    expect(answer.status).toBe(200)
    const set = answer.headers.get('set-cookie') ?? ''
    return { set, cookie: set.split(';', 1)[0] ?? '' }
  }
  return { url, ask, submit, live, signIn }
}
