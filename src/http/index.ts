/** The HTTP door of a running app. The only door into this folder; what crosses the wire is in wire.ts. */
import type { RunningApp } from '../app/index.ts'
import type { Server, ServerOptions } from './server.ts'

export { assertLoopback, parseOrigin } from './access.ts'
export { toRetirement, toVerdict } from './audit.ts'
export { type ApiKey, makeKey, readKeys } from './keys.ts'
export { appManifest } from './manifest.ts'
export { type ReadModelWire, toReadModel } from './read-models.ts'
export { auditEvent, job, logLine, readModel, retirement, schedule, taskInfo, verdict } from './schemas/index.ts'
export type { RequestTold, Server, ServerOptions } from './server.ts'
export type { SubmitBody } from './wire.ts'

/**
 * Makes the server, whose `listen` starts it. What serves is loaded by then and not before: work goes on after a crash
 * without it.
 * @throws HttpRefusal `loopback-only` for a host that others can reach, without `auth`
 */
export async function createServer(running: RunningApp, options?: ServerOptions): Promise<Server> {
  const server = await import('./server.ts')
  return server.createServer(running, options)
}
