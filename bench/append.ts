/** How fast the log takes events, by how many appends wait for it at a time. */
import { join } from 'node:path'
import { openSqliteStore } from '../src/events/index.ts'
import { BARE_LOOP, insertBare } from './bare.ts'
import { apart, type Benchmark, keepInFlight, type Measurement, timed } from './harness.ts'
import { rowsOf, waiting } from './histories.ts'

/** Appends in flight, and how many of them make a round. */
const LOADS = [
  [1, 3_000],
  [64, 30_000],
  [1024, 60_000],
] as const

export const append: Benchmark = {
  name: 'append',
  about:
    'sealed events of some 450 bytes, each of a new stream, appended through the store port; the bare loop commits as many at a time',
  rounds: 5,
  round: (directory) => apart(import.meta.url, appendAll, directory),
}

export async function appendAll(directory: string): Promise<Measurement[]> {
  const measurements: Measurement[] = []
  for (const [inFlight, count] of LOADS) {
    const histories = Array.from({ length: count }, (_, i) => waiting(i))
    const store = await openSqliteStore({ directory: join(directory, `${inFlight}`) })
    const took = await timed(() =>
      keepInFlight(count, inFlight, async (i) => {
        const history = histories[i]
        if (history) await store.append(history.stream, 'no-stream', history.events)
      }),
    )
    await store.close()
    measurements.push({
      what: `${inFlight} in flight`,
      value: (count / took) * 1000,
      unit: 'events/s',
      bare: { what: `${BARE_LOOP}, ${inFlight} a commit`, value: insertBare(directory, rowsOf(histories), inFlight) },
    })
  }
  return measurements
}
