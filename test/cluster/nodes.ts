/** Nodes of a cluster as processes: `capsule serve` or `capsule worker`, started, paused, killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { CAPSULE } from '../built.ts'

const ROOT = join(import.meta.dirname, '../..')

export interface NodeOptions {
  readonly role: 'serve' | 'worker'
  readonly app: string
  /** Of its own. */
  readonly data: string
  readonly env: Readonly<Record<string, string>>
  /** Told every line of its stderr. */
  readonly complain: (line: string) => void
}

export class NodeProcess {
  readonly options: NodeOptions
  /** Where it serves, once it is ready; undefined for a worker. */
  url: string | undefined
  /** A worker says it, a server is asked for it. */
  nodeId: string | undefined
  isPaused = false
  readonly ready: Promise<void>
  readonly exited: Promise<number | null>
  readonly #child: ChildProcess

  constructor(options: NodeOptions) {
    this.options = options
    const { role, app, data, env, complain } = options
    mkdirSync(data, { recursive: true })
    const args = [role, app, '--data', data, ...(role === 'serve' ? ['--port', '0'] : [])]
    this.#child = spawn(process.execPath, [CAPSULE, ...args], {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.exited = new Promise((resolve) => this.#child.once('close', (code) => resolve(code)))
    let said = ''
    let complained = ''
    this.ready = new Promise((resolve, reject) => {
      this.#child.stdout?.on('data', (chunk: Buffer) => {
        said += chunk
        if (!said.includes('\n')) return
        this.url = /is running at (\S+)/.exec(said)?.[1]
        this.nodeId = /works as node (\S+)/.exec(said)?.[1]
        resolve()
      })
      this.exited.then((code) => reject(new Error(`A node ended with ${code} before it was ready:\n${complained}`)))
    })
    this.ready.catch(() => {})
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      complained = (complained + chunk).slice(-4000)
      for (const line of String(chunk).split('\n')) if (line !== '') complain(line)
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get isUp(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && !this.isPaused
  }

  pause(): void {
    this.isPaused = true
    this.#child.kill('SIGSTOP')
  }

  wake(): void {
    this.#child.kill('SIGCONT')
    this.isPaused = false
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.exited
  }

  async stop(): Promise<number | null> {
    if (this.isPaused) this.wake()
    this.#child.kill('SIGTERM')
    return this.exited
  }
}
