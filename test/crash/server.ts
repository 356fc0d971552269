/**
 * A real `capsule serve` process for tests that kill it: started on a data directory, spoken to over HTTP, ended with
 * the signal that the test wants, and started again on the same data.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Job, JobStatus } from '../../src/http/wire.ts'
import { afterwards } from '../afterwards.ts'
import { CAPSULE } from '../built.ts'

export const ROOT = join(import.meta.dirname, '../..')
/** Node keeps compiled code here: half of what a start costs. */
export const COMPILE_CACHE = join(ROOT, 'node_modules/.cache/capsule-test')
/** No promise, only so that a test that waits in vain ends: a busy machine is slow. */
const PATIENCE_MS = 30_000
const START_MS = 60_000
/** How often what takes long is looked for: each look is a request that takes a millisecond of two processes. */
const LOOK_EVERY_MS = 100

export interface ServeOptions {
  /** The app's file, from this repository's root or absolute. */
  readonly app: string
  readonly data: string
  /** Default 0: any free one. */
  readonly port?: number
  readonly env?: Readonly<Record<string, string>>
  /** Further flags. */
  readonly args?: readonly string[]
  /** It leads a group of processes, as a command in a terminal does. */
  readonly leads?: boolean
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Answer<T> {
  readonly status: number
  readonly headers: Headers
  readonly body: T
}

/** The command with these arguments, run to its end. */
export async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const process = spawnCapsule(args, env)
  const { code } = await process.exited
  return { code, stdout: process.stdout(), stderr: process.stderr() }
}

/** A directory that is gone when the tests of the file are through. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'capsule-crash-'))
  afterwards(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }))
  return directory
}

export interface StartedServer {
  readonly exited: Promise<Exit>
  /** Rejects with what is on its stderr if it ends before it has said where it is. */
  readonly ready: Promise<RunningServer>
  /** What it has said there so far. */
  readonly stderr: () => string
  readonly end: (signal: NodeJS.Signals) => Promise<Exit>
}

export function start({ app, data, port = 0, env = {}, args = [], leads = false }: ServeOptions): StartedServer {
  const flags = ['--port', String(port), '--data', data, ...args]
  const process = spawnCapsule(['serve', app, ...flags], { DEBUG: 'capsule', ...env }, leads)
  const ready = (async () => {
    const line = await process.firstLine
    const url = /is running at (\S+)/.exec(line)?.[1]
    if (url !== undefined) return new RunningServer(process, url)
    const { code, signal } = await process.exited
    throw new Error(`The server said "${line}" and ended with ${signal ?? code}:\n${process.stderr()}`)
  })()
  ready.catch(() => {})
  const end = (signal: NodeJS.Signals): Promise<Exit> => {
    process.child.kill(signal)
    return process.exited
  }
  return { exited: process.exited, ready, stderr: process.stderr, end }
}

/** Resolves when the server has said where it is. */
export function serve(options: ServeOptions): Promise<RunningServer> {
  return start(options).ready
}

/** A server that answers at an address. */
export class Answering {
  readonly url: string

  constructor(url: string) {
    this.url = url
  }

  /** One request. The type of the body is what the caller expects. @throws ConnectionLost */
  async ask<T>(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer<T>> {
    let response: Response
    let text: string
    try {
      response = await fetch(this.url + path, {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      text = await response.text()
    } catch (cause) {
      throw new ConnectionLost(`${method} ${path} got no answer`, { cause })
    }
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
  }
}

/** One with a process of its own. */
export class RunningServer extends Answering {
  readonly #process: CapsuleProcess

  constructor(process: CapsuleProcess, url: string) {
    super(url)
    this.#process = process
  }

  get port(): number {
    return Number(new URL(this.url).port)
  }

  get pid(): number {
    return this.#process.child.pid ?? Number.NaN
  }

  /** Resolves once the process has ended, whoever ended it. */
  get exited(): Promise<Exit> {
    return this.#process.exited
  }

  get stderr(): string {
    return this.#process.stderr()
  }

  /** Nobody takes what it prints from now on. */
  stopReading(): void {
    this.#process.child.stdout?.destroy()
    this.#process.child.stderr?.destroy()
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL')
  }

  end(signal: NodeJS.Signals): Promise<Exit> {
    this.#process.child.kill(signal)
    return this.#process.exited
  }
}

/** Tells all processes of the group that it leads. */
export function pressCtrlC(server: RunningServer): Promise<Exit> {
  process.kill(-server.pid, 'SIGINT')
  return server.exited
}

/** What it said on stderr that is not only the machine being busy: nothing, when all went well. */
export function complaints({ stderr }: RunningServer): string[] {
  return stderr.split('\n').filter((line) => line !== '' && !saysBusy(line))
}

export function saysBusy(line: string): boolean {
  return line.includes(' held the event loop for ')
}

/** Whether the command was carried out is not known. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost'
}

/** Asks again and again until there is an answer. @throws Error that says what was waited for */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  withinMs = PATIENCE_MS,
): Promise<T> {
  const deadline = performance.now() + withinMs
  let wait = 10
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error(`Waited ${withinMs} ms in vain for ${what}`)
    await pause(wait)
    wait = Math.min(wait * 1.2, LOOK_EVERY_MS)
  }
}

/** Submits a task. Without a key it is another one each time. */
export async function submit(server: Answering, task: string, params: object, more: object = {}): Promise<Job> {
  const { status, body } = await server.ask<Job>('POST', `/api/v1/tasks/${task}/$submit`, { params, ...more })
  if (status !== 202) throw new Error(`${task} was not taken: ${JSON.stringify(body)}`)
  return body
}

/** Resolves with the job once it has the status. */
export function until(server: Answering, { id }: Pick<Job, 'id'>, status: JobStatus): Promise<Job> {
  return eventually(`job ${id} to be ${status}`, async () => {
    const { body } = await server.ask<Job>('GET', `/api/v1/jobs/${id}`)
    return body.status === status ? body : undefined
  })
}

interface CapsuleProcess {
  readonly child: ChildProcess
  readonly exited: Promise<Exit>
  /** What it says first; empty if it ends without a word. */
  readonly firstLine: Promise<string>
  stdout(): string
  stderr(): string
}

function spawnCapsule(args: readonly string[], env: Readonly<Record<string, string>>, leads = false): CapsuleProcess {
  const child = spawn(process.execPath, [CAPSULE, ...args], {
    cwd: ROOT,
    env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: leads,
  })
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  afterwards(() => {
    child.kill('SIGKILL')
    return exited.catch(() => {})
  })
  let stdout = ''
  let stderr = ''
  const firstLine = new Promise<string>((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      stdout += chunk
      if (stdout.includes('\n')) resolve(stdout.slice(0, stdout.indexOf('\n')))
    })
    exited.then(() => resolve(''), reject)
    const limit = setTimeout(() => reject(new Error(`No line within ${START_MS} ms:\n${stderr}`)), START_MS)
    exited.finally(() => clearTimeout(limit)).catch(() => {})
  })
  firstLine.catch(() => {})
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  return { child, exited, firstLine, stdout: () => stdout, stderr: () => stderr }
}
