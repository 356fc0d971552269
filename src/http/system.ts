/** /health and /api/v1/system: is it well, and where does it run. The shapes are servicekit's, as Chapkit serves them. */
import { hostname } from 'node:os'
import type { z } from 'zod'
import type { Timer } from '../actors/index.ts'
import type { RunningApp } from '../app/index.ts'
import { toReadModel } from './read-models.ts'
import { type Route, route, staysIn } from './route.ts'
import * as schemas from './schemas/index.ts'
import { NOBODY } from './users.ts'

const resource = 'System'

type Health = z.output<typeof schemas.health>

const HEALTH_EVERY_MS = 5000

export const systemRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/health',
    resource,
    summary: 'Whether it is well',
    description: 'Needs no key; without one, its checks are left out.',
    needs: 'anybody',
    answers: {
      200: { description: 'Healthy or degraded', schema: schemas.health },
      503: { description: 'Unhealthy', schema: schemas.health },
    },
    async handle({ app, user, reply }) {
      const { status, checks } = await healthNow(app)
      const now: Health = { status, checks: user === NOBODY ? {} : checks }
      reply.code(now.status === 'unhealthy' ? 503 : 200).header('cache-control', 'no-store')
      return now
    },
  }),

  route({
    method: 'GET',
    path: '/health/$stream',
    resource,
    summary: 'Follows the health (server-sent events)',
    description: 'An event named `health` at once and at every change.',
    answers: { 200: { description: 'A stream of health', mediaType: 'text/event-stream' } },
    errors: ['overloaded'],
    async handle({ app, access, streams, request, reply }) {
      let said = await healthNow(app)
      let open = true
      let timer: Timer | undefined
      const ended = () => {
        open = false
        timer?.cancel()
      }
      const stream = streams.open(reply, ended, staysIn(access, request))
      const look = async () => {
        const now = await healthNow(app)
        if (!open) return
        if (JSON.stringify(now) !== JSON.stringify(said)) stream.send('health', now)
        said = now
        again()
      }
      const again = () => {
        timer = streams.clock.at(streams.clock.now() + HEALTH_EVERY_MS, () => void look())
      }
      stream.send('health', said)
      again()
      return undefined
    },
  }),

  route({
    method: 'GET',
    path: '/api/v1/system',
    resource,
    summary: 'Where it runs and how far it is',
    answers: { 200: { description: 'About this process', schema: schemas.system } },
    async handle({ app }): Promise<z.output<typeof schemas.system>> {
      const head = await app.head().then(String, () => null)
      return {
        current_time: new Date().toISOString(),
        timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
        node_version: process.version,
        platform: `${process.platform} ${process.arch}`,
        hostname: hostname(),
        node: app.nodeId,
        version: app.version,
        position: String(app.reads.position),
        head,
        uptime_seconds: Math.round(process.uptime()),
        memory_bytes: process.memoryUsage.rss(),
        read_models: (await app.reads.status()).map(toReadModel),
      }
    },
  }),
]

const WORST_FIRST = ['unhealthy', 'degraded', 'healthy'] as const

async function healthNow(app: RunningApp): Promise<Health> {
  let checks: Awaited<ReturnType<RunningApp['health']>>
  try {
    checks = await app.health()
  } catch (error) {
    checks = [{ name: 'app', status: 'unhealthy', detail: error instanceof Error ? error.message : String(error) }]
  }
  return {
    status: WORST_FIRST.find((word) => checks.some((check) => check.status === word)) ?? 'healthy',
    checks: Object.fromEntries(
      checks.map((check) => [check.name, { state: check.status, message: check.detail ?? null }]),
    ),
  }
}
