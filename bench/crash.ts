/** How soon work goes on after a crash: kill -9 of a serving process to the second start of the task it was running. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Benchmark, type Measurement, monotonic, timed } from './harness.ts'
import { serve, urlOf } from './server.ts'

const APP_FILE = resolve(import.meta.dirname, 'apps/crash.ts')
const PATIENCE_MS = 30_000

export const crash: Benchmark = {
  name: 'crash',
  about: 'capsule serve killed 1 s into a task of 5 s, and started again at once; the bare process starts and ends',
  rounds: 5,
  async round(directory) {
    const starts = join(directory, 'starts')
    const first = serve(APP_FILE, directory, { CRASH_STARTS: starts })
    try {
      const url = await urlOf(first)
      await fetch(`${url}/api/v1/tasks/crash/$submit`, { method: 'POST' })
      const [started = 0] = await startsIn(starts, 1)
      await sleep(started + 1000 - monotonic())
    } catch (error) {
      first.kill('SIGKILL')
      throw error
    }
    const killed = monotonic()
    first.kill('SIGKILL')
    await once(first, 'exit')
    const second = serve(APP_FILE, directory, { CRASH_STARTS: starts })
    try {
      const url = urlOf(second).then(() => monotonic())
      const [, again = Number.NaN] = await startsIn(starts, 2)
      const bare = {
        what: 'a bare node process',
        value: (await timed(() => once(spawn(process.execPath, ['-e', '0']), 'exit'))) / 1000,
      }
      const measurements: Measurement[] = [
        { what: 'kill -9 to the second start', value: (again - killed) / 1000, unit: 's', bare },
        { what: 'kill -9 to serving', value: ((await url) - killed) / 1000, unit: 's', bare },
      ]
      return measurements
    } finally {
      const ended = once(second, 'exit')
      second.kill('SIGKILL')
      await ended
    }
  },
}

/** The instants at which the task was started, once there are so many. */
async function startsIn(file: string, count: number): Promise<number[]> {
  for (const giveUp = monotonic() + PATIENCE_MS; monotonic() < giveUp; await sleep(2)) {
    const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').filter(Boolean) : []
    if (lines.length >= count) return lines.map(Number)
  }
  throw new Error(`The task was not started ${count} times within ${PATIENCE_MS / 1000} s`)
}
