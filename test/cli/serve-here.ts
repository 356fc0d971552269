/**
 * An app that this process serves as `capsule serve` would: for tests that need a server, and none that dies. A start of the
 * command takes a second of processor time, this a tenth.
 */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { findApp, type RunningApp, startApp } from '../../src/app/index.ts'
import { authOf, readEnvironment } from '../../src/cli/config.ts'
import { createServer, type Server } from '../../src/http/index.ts'
import { afterwards } from '../afterwards.ts'
import { Answering, type ServeOptions, saysBusy } from '../crash/server.ts'

type ServeHereOptions = Pick<ServeOptions, 'app' | 'data' | 'port' | 'env'>

let lives = 0

export async function serveHere({ app, data, port = 0, env = {} }: ServeHereOptions): Promise<ServedHere> {
  const environment = readEnvironment({ ...env })
  const auth = authOf(environment)
  const { EVENTSTORE_URL: eventstore, CAPSULE_ORIGINS: origins = [] } = environment
  const complaints: string[] = []
  const report = (error: unknown, doing: string): void => void complaints.push(`${doing}: ${error}`)
  const running = await startApp(await ownApp(app), {
    data,
    report,
    ...(eventstore === undefined ? {} : { eventstore }),
  })
  const server = await createServer(running, {
    port,
    origins,
    onError: report,
    ...(auth ? { auth } : {}),
  })
  const served = new ServedHere(await server.listen(), running, server, complaints)
  afterwards(() => served.stop())
  return served
}

/** Of a module of its own: an app runs once at a time, and what its file remembers is of one life. */
async function ownApp(file: string) {
  const exported = await import(`${pathToFileURL(resolve(file)).href}?life=${++lives}`)
  const app = findApp(exported)
  if (!app) throw new Error(`${file} exports no app.`)
  return app
}

export class ServedHere extends Answering {
  readonly #running: RunningApp
  readonly #server: Server
  readonly #complaints: readonly string[]
  #stopped: Promise<{ readonly clean: boolean }> | undefined

  constructor(url: string, running: RunningApp, server: Server, complaints: readonly string[]) {
    super(url)
    this.#running = running
    this.#server = server
    this.#complaints = complaints
  }

  get port(): number {
    return Number(new URL(this.url).port)
  }

  /** What it said that nobody asked for, but for the machine being busy. */
  get complaints(): readonly string[] {
    return this.#complaints.filter((line) => !saysBusy(line))
  }

  /** Resolves once it has let go of its data: whether all work had come to its own end, for which it does not wait. */
  stop(): Promise<{ readonly clean: boolean }> {
    this.#stopped ??= this.#server.close().then(() => this.#running.stop({ drainMs: 0 }))
    return this.#stopped
  }
}
