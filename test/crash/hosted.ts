/** Servers that share one process (host.ts): a start there is a tenth of one of `capsule serve`. */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { afterwards } from '../afterwards.ts'
import type { Asked, Told } from './host.ts'
import { type Answer, Answering, COMPILE_CACHE, ConnectionLost, type Exit, ROOT, saysBusy } from './server.ts'

let host: Host | undefined
let doomedHost: Host | undefined
let lives = 0

/** Starts the app of the file, from this repository's root, on what is in the directory. */
export async function hosted(app: string, data: string): Promise<HostedServer> {
  if (host === undefined) {
    host = new Host()
    afterwards(() => {
      host = undefined
    })
  }
  const shared = host
  const life = ++lives
  const { url = '' } = await shared.ask({ life, app, data })
  return new HostedServer(url, shared, life)
}

export class HostedServer extends Answering {
  readonly #host: Host
  readonly #life: number

  constructor(url: string, host: Host, life: number) {
    super(url)
    this.#host = host
    this.#life = life
  }

  /** Resolves with what the app said that nobody had asked for, but for the machine being busy. */
  async stop(): Promise<readonly string[]> {
    const { complaints = [] } = await this.#host.ask({ life: this.#life, stop: true })
    return complaints.filter((line) => !saysBusy(line))
  }
}

export interface Doomed {
  /** Rejects if it is held before it serves. */
  readonly ready: Promise<Answering>
  /** Resolves once its log stays as it is: its writer stands where the fault is. */
  readonly held: Promise<void>
  /** Resolves once its process was killed, which is when all lives that share it are held. */
  readonly exited: Promise<Exit>
}

/** Starts it with a fault that kills (see CAPSULE_FAULT), in a process that it shares with others that are to die. */
export function doomed(app: string, data: string, fault: string): Doomed {
  const shared = doomedHost ?? new Host()
  doomedHost = shared
  const life = ++lives
  const held = shared.heldOf(life).then(() => {
    if (!shared.areAllHeld) return
    if (doomedHost === shared) doomedHost = undefined
    shared.kill()
  })
  const lost = held.then(() => {
    throw new ConnectionLost(`The server is held at ${fault}.`)
  })
  lost.catch(() => {})
  const started = shared.ask({ life, app, data, fault }).then(({ url = '' }) => new CutOff(url, lost))
  const ready = Promise.race([started, lost])
  for (const promise of [held, started, ready]) promise.catch(() => {})
  return { ready, held, exited: shared.exited }
}

/** Who asks it gets no more answers once it is held. */
class CutOff extends Answering {
  readonly #lost: Promise<never>

  constructor(url: string, lost: Promise<never>) {
    super(url)
    this.#lost = lost
  }

  override ask<T>(...asked: Parameters<Answering['ask']>): Promise<Answer<T>> {
    return Promise.race([this.#lost, super.ask<T>(...asked)])
  }
}

/** What it serves ends with it. */
class Host {
  readonly exited: Promise<Exit>
  readonly #process: ChildProcess
  /** Of those that are to be held: whether they are. */
  readonly #held = new Map<number, boolean>()

  constructor() {
    this.#process = fork(join(import.meta.dirname, 'host.ts'), {
      cwd: ROOT,
      execArgv: ['--conditions=capsule-source'],
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE },
    })
    // Some for each of those that wait at the same time.
    this.#process.setMaxListeners(0)
    this.exited = new Promise((resolve) => this.#process.once('exit', (code, signal) => resolve({ code, signal })))
    afterwards(() => {
      if (this.#process.connected) this.#process.disconnect()
      return this.exited
    })
  }

  ask(asked: Asked): Promise<Told> {
    const told = this.#told(({ life, held }) => life === asked.life && !held)
    this.#process.send(asked)
    return told
  }

  async heldOf(life: number): Promise<void> {
    this.#held.set(life, false)
    await this.#told((told) => told.life === life && told.held === true)
    this.#held.set(life, true)
  }

  get areAllHeld(): boolean {
    return [...this.#held.values()].every((isHeld) => isHeld)
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  #told(isMeant: (told: Told) => boolean): Promise<Told> {
    const told = Promise.withResolvers<Told>()
    const listen = (message: Told): void => {
      if (!isMeant(message)) return
      if (message.failed === undefined) told.resolve(message)
      else told.reject(new Error(message.failed))
    }
    const end = (): void => told.reject(new Error('The host has ended.'))
    this.#process.on('message', listen).on('exit', end)
    return told.promise.finally(() => this.#process.off('message', listen).off('exit', end))
  }
}
