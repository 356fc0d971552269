/** capsule serve: runs an app and serves it, until it is told to stop. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type RunningApp, type StartOptions, startApp } from '../app/index.ts'
import { assertLoopback, createServer, type Server } from '../http/index.ts'
import { keepCompiled } from './compile-cache.ts'
import { authOf, type Environment, readEnvironment } from './config.ts'
import { CommandFailed } from './errors.ts'
import { outliveRefusals } from './left-running.ts'
import { type LoadedApp, loadApp } from './load-app.ts'
import { type Lines, linesFrom } from './log-level.ts'

export interface ServeFlags {
  readonly port?: number
  readonly host?: string
  readonly origin?: readonly string[]
  readonly data?: string
}

const DRAIN_MS = 10_000
/** What serves takes a tenth of a second to load, and holds up all else meanwhile: what a crash left begins before. */
const HEADSTART_MS = 10

/** Resolves with the exit code once the app has stopped: 0 if all work came to its own end, 1 if some was interrupted. */
export async function serve(file: string, flags: ServeFlags): Promise<0 | 1> {
  const environment = readEnvironment(process.env)
  const auth = authOf(environment)
  const { host, port } = addressOf(flags, environment)
  if (!auth) assertLoopback(host)
  const lines = linesFrom(environment.LOG_LEVEL)
  const stopped = onSignal()
  const running = await started(start(file, environment, flags.data, lines), stopped, lines)
  if (!running) return 1
  let server: Server | undefined
  try {
    await sleep(HEADSTART_MS)
    const origins = flags.origin ?? environment.CAPSULE_ORIGINS ?? []
    server = await createServer(running, {
      host,
      port,
      origins,
      onError: lines.report,
      ...(lines.onRequest ? { onRequest: lines.onRequest } : {}),
      ...(auth ? { auth } : {}),
    })
    const url = await listen(server, port)
    process.stdout.write(`${running.name} is running at ${url}\n`)
    keepCompiled()
    await stopped
  } catch (error) {
    await server?.close()
    await running.stop({ drainMs: 0 })
    throw error
  }
  return stop(running, lines, server)
}

/** Where it is to listen; the port 0 is any free one. */
export function addressOf(
  flags: ServeFlags,
  environment: Environment,
): { readonly host: string; readonly port: number } {
  return {
    host: flags.host ?? environment.HOST ?? '127.0.0.1',
    port: flags.port ?? environment.PORT ?? 3000,
  }
}

export async function start(
  file: string,
  environment: Environment,
  data: string | undefined,
  { report }: Lines,
): Promise<RunningApp> {
  const loaded = await loadApp(file)
  outliveRefusals(report)
  return startApp(loaded.app, { ...startOptions(loaded, environment, data), report })
}

/**
 * A start may wait long, for read models or for servers that are away. Once asked to stop it has as long as running work
 * has; then, or asked again, it is cut off, which is as after `kill -9`.
 * @returns undefined when it was cut off
 */
export async function started<T>(starting: Promise<T>, stopped: Promise<void>, lines: Lines): Promise<T | undefined> {
  let isOver = false
  const cutOff = stopped.then(async () => {
    if (isOver) return
    const again = onSignal()
    lines.info('stopping: waiting for the start to end (again to stop at once)')
    await Promise.race([sleep(DRAIN_MS), again])
    if (!isOver) lines.info('stopped before it was ready; the next start begins again')
  })
  try {
    return (await Promise.race([starting, cutOff])) ?? undefined
  } finally {
    isOver = true
  }
}

/** How the environment, and `--data`, say that the app is to be started. */
function startOptions(
  { entry, version }: LoadedApp,
  environment: Environment,
  data = environment.CAPSULE_DATA ?? '.capsule',
): StartOptions {
  const { CAPSULE_CALLBACK_SECRET: callbackSecret, EVENTSTORE_URL: eventstore } = environment
  return {
    data,
    version,
    entry,
    allowPrivateCallbacks: environment.CAPSULE_ALLOW_PRIVATE_CALLBACKS === '1',
    ...(callbackSecret === undefined ? {} : { callbackSecret }),
    ...(eventstore === undefined ? {} : { eventstore }),
  }
}

async function listen(server: Server, port: number): Promise<string> {
  try {
    return await server.listen()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
      throw new CommandFailed(
        `The port ${port} is in use. Stop what uses it, or choose another one with --port (0 takes any free one).`,
      )
    }
    if (error instanceof Error && 'code' in error && error.code === 'EACCES') {
      throw new CommandFailed(`The port ${port} needs more rights. Choose one from 1024 with --port.`)
    }
    throw error
  }
}

/** Requests and running work share one limit. A second signal ends the wait; what runs is still recorded as interrupted. */
export async function stop(running: RunningApp, lines: Lines, server?: Server): Promise<0 | 1> {
  const hurry = new AbortController()
  // Before it is said: whoever asks again at once must not meet a process without a handler, which would end unrecorded.
  const again = onSignal().then(() => hurry.abort())
  lines.info('stopping: waiting for running work (again to stop at once)')
  const deadline = performance.now() + DRAIN_MS
  await Promise.race([server?.close(), again])
  const drainMs = Math.max(0, deadline - performance.now())
  const { clean } = await running.stop({ drainMs, hurry: hurry.signal })
  if (!clean) lines.info('some work was interrupted; it runs again at the next start')
  return clean ? 0 : 1
}

/** The next request to stop. */
export function onSignal(): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      process.off('SIGTERM', stop)
      process.off('SIGINT', stop)
      resolve()
    }
    process.once('SIGTERM', stop)
    process.once('SIGINT', stop)
  })
}
