/** What waiting tasks cost: resident memory, live and after a restart, and the start with all of them there. */
import { join } from 'node:path'
import { createApp, startApp } from '../src/app/index.ts'
import { apart, type Benchmark, keepInFlight, type Measurement, monotonic, residentMiB } from './harness.ts'
import { APP, payload, TASK } from './histories.ts'

const SIZES = [100_000, 1_000_000] as const
const IN_FLIGHT = 256
const BARE_MAP = 'a bare Map of their ids and inputs'

export const memory: Benchmark = {
  name: 'memory',
  about: `${SIZES.join(' and ')} tasks submitted, ${IN_FLIGHT} in flight, while the only slot is taken; resident with all of them waiting, and after a restart`,
  rounds: 1,
  async round(directory) {
    const measurements: Measurement[] = []
    for (const count of SIZES) {
      const data = join(directory, `${count}`)
      const bare = { what: BARE_MAP, value: await apart(import.meta.url, keepBare, count) }
      const live = await apart(import.meta.url, submitWaiting, data, count)
      const again = await apart(import.meta.url, restart, data, count)
      measurements.push(
        { what: `${count} waiting, after submitting them`, value: live, unit: 'MiB', bare },
        { what: `${count} waiting, after a restart`, value: again.residentMiB, unit: 'MiB', bare },
        { what: `${count} waiting, start`, value: again.seconds, unit: 's' },
      )
    }
    return measurements
  },
}

export async function keepBare(count: number): Promise<number> {
  const kept = new Map<string, unknown>()
  for (let i = 0; i < count; i++) kept.set(crypto.randomUUID(), payload(i))
  return kept.size > 0 ? residentMiB() : 0
}

/** @returns MiB resident once all of them are recorded and on the board */
export async function submitWaiting(data: string, count: number): Promise<number> {
  const { app, task } = stuckApp()
  const running = await startApp(app, { data, version: '0.1.0' })
  await keepInFlight(count, IN_FLIGHT, (i) => task.submit(payload(i)))
  // One question waits for the whole log to be taken in.
  await task.count()
  const resident = residentMiB()
  await running.stop({ drainMs: 0 })
  return resident
}

export async function restart(
  data: string,
  count: number,
): Promise<{ readonly seconds: number; readonly residentMiB: number }> {
  const { app } = stuckApp()
  const began = monotonic()
  const running = await startApp(app, { data, version: '0.1.0' })
  const seconds = (monotonic() - began) / 1000
  const waiting = await running.reads.countJobs({ name: TASK, status: ['pending', 'retry'] })
  const known = await running.reads.countJobs({ name: TASK })
  if (waiting < count - 1 || known !== count) throw new Error(`${known} of ${count} tasks, ${waiting} waiting`)
  const resident = residentMiB()
  await running.stop({ drainMs: 0 })
  return { seconds, residentMiB: resident }
}

/** Its only slot is taken by the first task for as long as it runs: a handler that heeded its abort would complete. */
function stuckApp() {
  const app = createApp({ name: APP, concurrency: 1 })
  const task = app.task(TASK, () => new Promise<never>(() => {}))
  return { app, task }
}
