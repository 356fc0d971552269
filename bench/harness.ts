/**
 * What every benchmark is made of. A benchmark measures something and, in the same round, what the least that could do
 * the job reaches: a bare loop. The ratio of the two says more than either, on a machine that others use too.
 */
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Measurement {
  readonly what: string
  readonly value: number
  readonly unit: 'events/s' | 'tasks/s' | 'requests/s' | 'ms' | 's' | 'µs' | 'MiB' | 'commits' | 'appends' | '×'
  /** What a bare loop reached in the same round, in the same unit. */
  readonly bare?: { readonly what: string; readonly value: number }
}

export interface Benchmark {
  readonly name: string
  /** One line: what is done, and how much of it. */
  readonly about: string
  /** Rounds unless `--rounds` says otherwise. */
  readonly rounds: number
  /** One round, in an empty directory that is deleted afterwards. */
  round(directory: string): Promise<readonly Measurement[]>
}

/** What can be said between two processes. */
export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [key: string]: Plain }

/**
 * Runs an exported function in a process of its own, so that nothing inherits another's heap, caches or compiled code.
 * @param module `import.meta.url` of the file that exports `step` under its own name
 */
export function apart<Args extends readonly Plain[], Result>(
  module: string,
  step: (...args: Args) => Promise<Result>,
  ...args: Args
): Promise<Result> {
  const child = fork(join(import.meta.dirname, 'child.ts'), [module, step.name], {
    execArgv: ['--expose-gc', ...process.execArgv],
  })
  return new Promise((resolve, reject) => {
    child.once('message', (answer: { result: Result } | { error: string }) => {
      if ('error' in answer) reject(new Error(`${step.name}: ${answer.error}`))
      else resolve(answer.result)
    })
    child.once('exit', (code, signal) => reject(new Error(`${step.name} ended without an answer (${signal ?? code})`)))
    child.send(args)
  })
}

/** Calls `use` with a new directory, and deletes it whatever happens. */
export async function inTemporaryDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'capsule-bench-'))
  try {
    return await use(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Milliseconds by CLOCK_MONOTONIC, which is one clock for all processes of a machine. */
export function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export async function timed(work: () => unknown): Promise<number> {
  const began = monotonic()
  await work()
  return monotonic() - began
}

/** Does `work(0)` to `work(count - 1)`, at most `inFlight` at a time. */
export async function keepInFlight(
  count: number,
  inFlight: number,
  work: (i: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, lane))
}

/** Collects the garbage of this thread, then tells what the process holds in memory. */
export function residentMiB(): number {
  globalThis.gc?.()
  return process.memoryUsage.rss() / 2 ** 20
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

/** The value that `share` (0 to 1) of the values do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}
