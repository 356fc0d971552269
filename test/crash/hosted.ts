/** Servers that share one process (host.ts): a start there is a twentieth of one of `capsule serve`. */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { afterwards } from '../afterwards.ts'
import type { Asked, Told } from './host.ts'
import { Answering, COMPILE_CACHE, ROOT, saysBusy } from './server.ts'

let host: ChildProcess | undefined
let lives = 0

/** Starts the app of the file, from this repository's root, on what is in the directory. */
export async function hosted(app: string, data: string): Promise<HostedServer> {
  const life = ++lives
  const { url = '' } = await ask({ life, app, data })
  return new HostedServer(url, life)
}

export class HostedServer extends Answering {
  readonly #life: number

  constructor(url: string, life: number) {
    super(url)
    this.#life = life
  }

  /** Resolves with what the app said that nobody had asked for, but for the machine being busy. */
  async stop(): Promise<readonly string[]> {
    const { complaints = [] } = await ask({ life: this.#life, stop: true })
    return complaints.filter((line) => !saysBusy(line))
  }
}

function ask(asked: Asked): Promise<Told> {
  host ??= start()
  const told = Promise.withResolvers<Told>()
  const listen = (message: Told): void => {
    if (message.life !== asked.life) return
    if (message.failed === undefined) told.resolve(message)
    else told.reject(new Error(message.failed))
  }
  const end = (): void => told.reject(new Error('The host has ended.'))
  host.on('message', listen).on('exit', end).send(asked)
  return told.promise.finally(() => host?.off('message', listen).off('exit', end))
}

/** What it serves ends with it. */
function start(): ChildProcess {
  const started = fork(join(import.meta.dirname, 'host.ts'), {
    cwd: ROOT,
    execArgv: ['--conditions=capsule-source'],
    env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE },
  })
  const ended = new Promise((resolve) => started.once('exit', resolve))
  afterwards(() => {
    host = undefined
    started.disconnect()
    return ended
  })
  // One for each of those that wait at the same time.
  return started.setMaxListeners(0)
}
