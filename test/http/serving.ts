/** A server over a fake app, its requests, and its live socket, taken down after each test. */
import { onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { ManualClock } from '../../src/actors/index.ts'
import { createServer, type Server, type ServerOptions } from '../../src/http/index.ts'
import type { ClientFrame, ServerFrame } from '../../src/http/wire.ts'
import { FakeApp } from './fake-app.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: unknown
}

export interface Serving {
  readonly app: FakeApp
  readonly server: Server
  readonly clock: ManualClock
  readonly errors: unknown[]
}

export async function serving(options: ServerOptions = {}): Promise<Serving> {
  const app = new FakeApp()
  const clock = new ManualClock(Date.parse('2026-01-05T09:00:00.000Z'))
  const errors: unknown[] = []
  const server = await createServer(app, { port: 0, clock, onError: (error) => errors.push(error), ...options })
  onTestFinished(() => server.close())
  return { app, server, clock, errors }
}
