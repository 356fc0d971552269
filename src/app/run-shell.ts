/**
 * Runs a shell command for a handler: never throws for a command that fails, and leaves no process of it behind. On a
 * timeout or an abort the command is killed with all that it started; so it is when this process dies, however it does.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { type Readable, Writable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { type Duration, parseDuration } from './duration.ts'

export interface ShellOptions {
  /** Default: none. */
  readonly timeout?: Duration
  /** Where it runs. Default: the directory of this process. */
  readonly cwd?: string | URL
  /** Its whole environment. Default: that of this process. */
  readonly env?: NodeJS.ProcessEnv
  /** Aborting it kills the command. */
  readonly signal?: AbortSignal
}

export interface ShellResult {
  readonly command: string
  /** UTF-8; the first 10 MiB. */
  readonly stdout: string
  readonly stderr: string
  /** The exit code; 128 and more for a signal, as in a shell; -1 when it was killed for its timeout, or did not start. */
  readonly returncode: number
}

const MOST_BYTES = 10 * 1024 ** 2
/** What a command leaves running in the background may hold its output open; it is not waited for. */
const OUTPUT_MS = 200

/**
 * The guard is a process of the command's group that reads what only this process writes to. When this process is done it
 * writes a line, and the guard leaves; when it dies, the pipe ends, and the guard kills its group, itself included.
 */
const GUARDED = `(read -r _ <&3 || kill -9 0) >/dev/null 2>&1 &
exec 3<&-
exec /bin/sh -c "$1"`

/** @throws InvalidInput for a bad timeout, the signal's reason when it is aborted; nothing else */
export async function runShell(command: string, options: ShellOptions = {}): Promise<ShellResult> {
  const { timeout, cwd, env = process.env, signal } = options
  const timeoutMs = timeout === undefined ? undefined : parseDuration(timeout, 'timeout')
  signal?.throwIfAborted()
  const child = start(command, { cwd, env })
  const stdout = new Collected(child.stdout)
  const stderr = new Collected(child.stderr)
  let timedOut = false
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true
          kill(child)
        }, timeoutMs)
  const onAbort = (): void => kill(child)
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    const end = await ended(child)
    if (signal?.aborted) throw signal.reason
    if (timedOut) stderr.add(`\nThe command did not end within its timeout of ${timeoutMs} ms and was killed.`)
    if (end.error) stderr.add(`The command could not be started: ${end.error.message}`)
    return { command, stdout: stdout.text, stderr: stderr.text, returncode: timedOut ? -1 : end.code }
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}

function start(command: string, options: { readonly cwd: string | URL | undefined; readonly env: NodeJS.ProcessEnv }) {
  const [program, args] =
    process.platform === 'win32'
      ? [process.env.ComSpec ?? 'cmd.exe', ['/d', '/s', '/c', command]]
      : ['/bin/sh', ['-c', GUARDED, 'sh', command]]
  return spawn(program, args, {
    ...options,
    detached: process.platform !== 'win32',
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
}

function ended(child: ReturnType<typeof start>): Promise<{ readonly code: number; readonly error?: Error }> {
  return new Promise((resolve) => {
    const [, , , guard] = child.stdio
    // It may be gone before it is told to go.
    guard?.on('error', () => {})
    child.on('error', (error) => {
      if (child.pid === undefined) resolve({ code: -1, error })
    })
    child.once('exit', (code, signal) => {
      if (guard instanceof Writable) guard.end('done\n')
      const end = { code: code ?? 128 + (signal ? (constants.signals[signal] ?? 0) : 0) }
      const giveUp = setTimeout(() => resolve(end), OUTPUT_MS)
      child.once('close', () => {
        clearTimeout(giveUp)
        resolve(end)
      })
    })
  })
}

function kill(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGKILL')
  } catch {} // all of it has ended already
}

/** The beginning of a stream as text, and how much was left out. */
class Collected {
  readonly #decoder = new StringDecoder('utf8')
  #text = ''
  #bytes = 0
  #added = ''

  constructor(stream: Readable | null) {
    stream?.on('data', (chunk: Buffer) => {
      const room = MOST_BYTES - this.#bytes
      this.#bytes += chunk.length
      if (room > 0) this.#text += this.#decoder.write(chunk.subarray(0, room))
    })
  }

  add(line: string): void {
    this.#added += this.#text === '' ? line.trimStart() : line
  }

  get text(): string {
    const left = this.#bytes - MOST_BYTES
    return `${this.#text}${left > 0 ? `\n… (${left} more bytes were left out)` : ''}${this.#added}`
  }
}
