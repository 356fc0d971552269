/**
 * capsule serve --watch: starts the server as a process of its own, and again with the new code when a file that it loaded
 * changes. What that costs is what a stop by SIGTERM costs: all that matters is in the log.
 *
 *     running ──a file changes──▶ stopping ──ended──▶ running, with the new code
 *        └──ended by itself──▶ waiting ──a file changes──▶ running
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { relative, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { programFile } from '../events/index.ts'
import { killGroup } from '../execution/index.ts'
import { readEnvironment } from './config.ts'
import { FILES_FD, type LoadedFile, LoadedFiles, ofLine, stampOf } from './loaded-files.ts'
import { addressOf, type ServeFlags } from './serve.ts'

/** How long work may still run when a file has changed: whoever saved it is waiting. */
const PATIENCE_MS = 2000
/** How long the first, the second and each further request to stop may take: then what does not stop is killed. */
const LIMITS_MS: readonly number[] = [20_000, 8000]

/** Resolves with the exit code once it is told to stop: that of the server, 0 if none runs; 2 if it was used wrongly. */
export async function watch(file: string, flags: ServeFlags): Promise<number> {
  const args = await argumentsOf(file, flags)
  const entry = resolve(file)
  const files = new LoadedFiles()
  files.add({ file: entry, stamp: stampOf(entry) })
  const stopping = new AbortController()
  const stopped = once(stopping.signal, 'abort')
  let server: ServerProcess | undefined
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      server?.ask(signal)
      stopping.abort()
    })
  }
  for (let starts = 1; ; starts++) {
    files.renew()
    server = new ServerProcess(args, (loaded) => files.add(loaded))
    const change = files.changed()
    const first = await Promise.race([change, server.ended, stopped])
    if (typeof first === 'string') {
      tellOf(first)
      void server.replace()
    }
    const { code, signal } = await server.ended
    if (stopping.signal.aborted || (code === 2 && starts === 1)) return code ?? 1
    if (typeof first === 'string') continue
    tell(`the app does not run (${signal ?? `exit code ${code}`}); it starts again when one of its files changes`)
    const next = await Promise.race([change, stopped])
    if (typeof next !== 'string') return 0
    tellOf(next)
  }
}

interface End {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/**
 * `capsule serve` as anywhere else, in a group of its own: Ctrl+C tells all of a terminal's group, and told twice it would stop
 * at once. What it started in its group ends with it.
 */
class ServerProcess {
  readonly ended: Promise<End>
  readonly #child: ChildProcess
  #asked = 0
  #limit: NodeJS.Timeout | undefined

  constructor(args: readonly string[], loaded: (file: LoadedFile) => void) {
    const program = [...process.execArgv, programFile('cli/watched'), String(process.pid), ...args]
    this.#child = spawn(process.execPath, program, {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    })
    this.#child.once('exit', () => this.#kill())
    // With `close`, what it told last has been read.
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', (code, signal) => {
        clearTimeout(this.#limit)
        resolve({ code, signal })
      })
    })
    const told = this.#child.stdio[FILES_FD]
    if (!(told instanceof Readable)) return
    createInterface(told).on('line', (line) => {
      const file = ofLine(line)
      if (file) loaded(file)
    })
  }

  ask(signal: NodeJS.Signals): void {
    // False for one that is gone.
    if (!this.#child.kill(signal)) return
    clearTimeout(this.#limit)
    this.#limit = setTimeout(
      () => {
        tell('the server does not stop, and is killed; what ran in it runs again')
        this.#kill()
      },
      LIMITS_MS[this.#asked++] ?? 0,
    )
  }

  /** Has it stop, and soon interrupt what still runs. */
  async replace(): Promise<void> {
    this.ask('SIGTERM')
    await Promise.race([this.ended, sleep(PATIENCE_MS)])
    if (this.#asked === 1) this.ask('SIGTERM')
  }

  #kill(): void {
    if (this.#child.pid !== undefined) killGroup(this.#child.pid)
  }
}

/** Those of `serve`, with a port that stays the same when any free one will do. */
async function argumentsOf(file: string, flags: ServeFlags): Promise<string[]> {
  const { host, port } = addressOf(flags, readEnvironment(process.env))
  const { data, origin: origins = [] } = flags
  return [
    'serve',
    file,
    ...['--host', host, '--port', String(port === 0 ? await freePort(host) : port)],
    ...(data === undefined ? [] : ['--data', data]),
    ...origins.flatMap((origin) => ['--origin', origin]),
  ]
}

async function freePort(host: string): Promise<number> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address ? address.port : 0
}

function tellOf(changed: string): void {
  tell(`${relative('', changed)} changed: starting again`)
}

function tell(line: string): void {
  process.stderr.write(`capsule: ${line}\n`)
}
