/** How long a task waits on an idle machine: from before the submit to the first line of its handler. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { createApp, startApp } from '../src/app/index.ts'
import { commitAtPace } from './bare.ts'
import { apart, type Benchmark, type Measurement, monotonic, percentile } from './harness.ts'
import { APP, completed, payload, rowsOf, TASK } from './histories.ts'

const RATE = 50
const SECONDS = 20
const WARM_UP_SECONDS = 2

export const latency: Benchmark = {
  name: 'latency',
  about: `${RATE} tasks a second for ${SECONDS} s, submitted whether or not the earlier ones were answered; beside it, a thread that commits the same two rows at the same pace`,
  rounds: 3,
  round: (directory) => apart(import.meta.url, measureLatency, directory),
}

export async function measureLatency(directory: string): Promise<Measurement[]> {
  const app = createApp({ name: APP })
  const waits: number[] = []
  const noop = app.task(TASK, { input: z.looseObject({ at: z.number() }) }, async ({ at }) => {
    waits.push(monotonic() - at)
  })
  const running = await startApp(app, { data: join(directory, 'data'), version: '0.1.0' })
  const submitted: Promise<unknown>[] = []
  const began = monotonic()
  for (let i = 0; i < RATE * (WARM_UP_SECONDS + SECONDS); i++) {
    const wait = began + (i * 1000) / RATE - monotonic()
    if (wait > 0) await sleep(wait)
    submitted.push(noop.submit({ ...payload(i), at: monotonic() }))
  }
  await Promise.all(submitted)
  await running.stop()
  const counted = waits.slice(RATE * WARM_UP_SECONDS)
  const rows = Array.from({ length: RATE * SECONDS }, (_, i) => rowsOf([completed(i)]).slice(0, 2)).flat()
  const bare = await commitAtPace(directory, rows, 2, RATE)
  return [50, 95, 99].map((percent) => ({
    what: `submit to start, p${percent}`,
    value: percentile(counted, percent / 100),
    unit: 'ms',
    bare: { what: `a bare commit, p${percent}`, value: percentile(bare, percent / 100) },
  }))
}
