/** An app of process tasks running inside the test, and what its tests ask of processes. */
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest'
import { type App, type Engine, startApp } from '../../src/app/index.ts'
import type { RecordedEvent } from '../../src/events/index.ts'

/** Runs it on a log in memory for all tests of a file or group. @returns the running app, once it runs */
export function running(app: App): () => Engine {
  const problems: unknown[] = []
  let engine: Engine | undefined
  beforeAll(async () => {
    engine = await startApp(app, { data: 'memory', report: (error, doing) => problems.push({ error, doing }) })
  })
  afterAll(async () => {
    await engine?.stop({ drainMs: 0 })
    expect(problems).toEqual([])
  })
  return () => {
    if (!engine) throw new Error('The app runs only within tests.')
    return engine
  }
}

export async function eventsOf(engine: Engine, taskId: string): Promise<readonly RecordedEvent[]> {
  return engine.history('task', taskId)
}

export async function typesOf(engine: Engine, taskId: string): Promise<readonly string[]> {
  return (await eventsOf(engine, taskId)).map(({ type }) => type)
}

/** Resolves with what `look` finds. @throws after the limit */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
  limitMs = 15_000,
) {
  const until = performance.now() + limitMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > until) throw new Error(`${what} did not happen within ${limitMs} ms.`)
    await sleep(10)
  }
}

/** A directory of the test's own. */
export async function scratch(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'capsule-process-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  return directory
}

export interface Pids {
  readonly pid: number
  readonly grandchild: number
}

/** What a stubborn task writes once it has begun. */
export async function pidsIn(file: string): Promise<Pids> {
  return eventually(`a task writing ${file}`, async () => {
    if (!existsSync(file)) return undefined
    const text = await readFile(file, 'utf8')
    return text === '' ? undefined : (JSON.parse(text) as Pids)
  })
}

/** Gone, or dead and only not yet collected by its parent. */
export function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return true
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')
  } catch {
    return process.platform === 'linux'
  }
}
