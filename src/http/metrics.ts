/** /metrics: the app and this process in numbers, for Prometheus and whatever else reads its format. */
import { performance } from 'node:perf_hooks'
import type { RunningApp } from '../app/index.ts'
import { isEnded } from '../events/index.ts'
import { EXPOSITION, Exposition, type Sample } from './exposition.ts'
import type { RequestTally } from './request-tally.ts'
import { type Route, route } from './route.ts'

export const metricsRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/metrics',
    resource: 'System',
    summary: 'Metrics, as Prometheus reads them',
    description:
      'Of the log and its views, which are the same on every node, and of this process. Any key will do, as a bearer token.',
    answers: { 200: { description: 'Text format 0.0.4', mediaType: 'text/plain' } },
    async handle({ app, requests, reply }) {
      const metrics = new Exposition()
      metrics.gauge('capsule_info', 'What runs here.', [[{ app: app.name, version: app.version, node: app.nodeId }, 1]])
      await ofLog(app, metrics)
      ofAttempts(app, metrics)
      ofRequests(requests, metrics)
      ofProcess(metrics)
      reply.type(EXPOSITION).header('cache-control', 'no-store')
      return metrics.toString()
    },
  }),
]

async function ofLog(app: RunningApp, metrics: Exposition): Promise<void> {
  const [health, head, models, tally, oldest] = await Promise.all([
    app.health(),
    app.head().catch(() => undefined),
    app.reads.status(),
    app.reads.tally(),
    oldestPending(app),
  ])
  metrics.gauge(
    'capsule_check_healthy',
    '1 if the check is healthy, 0.5 if degraded, 0 if not.',
    health.map(({ name, status }) => [{ check: name }, HEALTH[status]]),
  )
  metrics.gauge('capsule_log_position', 'Of the last event in the log.', head === undefined ? [] : [[{}, head]])
  metrics.gauge(
    'capsule_read_model_position',
    'Up to which the read model has taken in the log.',
    models.map(({ name, position }) => [{ read_model: name }, position]),
  )
  metrics.gauge(
    'capsule_jobs',
    'Jobs that are in the views, by task and status.',
    tally.map(({ name, status, count }) => [{ task: name, status }, count]),
  )
  metrics.gauge('capsule_oldest_pending_seconds', 'How long the longest has waited that could start.', [[{}, oldest]])
}

const HEALTH = { healthy: 1, degraded: 0.5, unhealthy: 0 } as const

/** 0 when none waits. */
async function oldestPending(app: RunningApp): Promise<number> {
  const { columns } = await app.reads.board({
    filter: {},
    columns: [{ label: 'pending', statuses: ['pending'] }],
    windows: [{ after: 0, limit: 1 }],
  })
  const [first] = columns[0]?.jobs ?? []
  return first === undefined || isEnded(first.status) ? 0 : Math.max(0, (Date.now() - first.submittedAt) / 1000)
}

function ofAttempts({ attempts, work }: RunningApp, metrics: Exposition): void {
  const byTask = [...attempts.byTask]
  metrics.gauge('capsule_running', 'Attempts and turns that run in this process.', [[{}, work.running]])
  metrics.counter(
    'capsule_attempts_total',
    'Attempts of tasks that this process ran, by how they ended.',
    byTask.flatMap(([task, { ended }]) => [...ended].map(([end, count]): Sample => [{ task, end }, count])),
  )
  metrics.histogram(
    'capsule_attempt_duration_seconds',
    'From the call of the handler to its end.',
    byTask.map(([task, { durations }]) => [{ task }, durations]),
  )
}

function ofRequests(requests: RequestTally, metrics: Exposition): void {
  const byRoute = [...requests.byRoute]
  metrics.counter(
    'capsule_http_requests_total',
    'Requests by route and answer; status 0 is of those whose client left before.',
    byRoute.flatMap(({ method, route, answers }) =>
      [...answers].map(([status, count]): Sample => [{ method, route, status }, count]),
    ),
  )
  metrics.histogram(
    'capsule_http_request_duration_seconds',
    'From the first line of a request to the end of its answer.',
    byRoute.map(({ method, route, durations }) => [{ method, route }, durations]),
  )
}

function ofProcess(metrics: Exposition): void {
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed } = process.memoryUsage()
  const { active } = performance.eventLoopUtilization()
  const seconds = 'Seconds of'
  metrics.counter('process_cpu_seconds_total', `${seconds} processor time of all threads.`, [
    [{}, (user + system) / 1e6],
  ])
  metrics.counter('capsule_event_loop_busy_seconds_total', `${seconds} the main thread's loop at work.`, [
    [{}, active / 1000],
  ])
  metrics.gauge('process_resident_memory_bytes', 'Resident memory.', [[{}, rss]])
  metrics.gauge('nodejs_heap_size_used_bytes', "Of the main thread's heap.", [[{}, heapUsed]])
  metrics.gauge('process_start_time_seconds', 'Since 1970, UTC.', [[{}, performance.timeOrigin / 1000]])
}
