/** How long a start takes on a long log, with its read models kept and without; how fast they are built again. */
import { createApp, startApp } from '../src/app/index.ts'
import { openSqliteReader, openSqliteStore } from '../src/events/index.ts'
import { apart, type Benchmark, keepInFlight, monotonic, residentMiB, timed } from './harness.ts'
import { APP, completed, waiting } from './histories.ts'

const EVENTS = 999_999

export const start: Benchmark = {
  name: 'start',
  about: `a log of ${EVENTS} events (a third as many completed tasks): start without read.db, then with it; the bare loop reads the log and parses it`,
  rounds: 1,
  async round(directory) {
    await apart(import.meta.url, writeLog, directory, 'completed', EVENTS / 3)
    const bare = (await apart(import.meta.url, readLog, directory)) / 1000
    const rebuilt = await apart(import.meta.url, startOnce, directory)
    const again = await apart(import.meta.url, startOnce, directory)
    return [
      {
        what: 'rebuild of all read models',
        value: EVENTS / rebuilt.seconds,
        unit: 'events/s',
        bare: { what: 'bare read loop', value: EVENTS / bare },
      },
      {
        what: 'start with read models',
        value: again.seconds,
        unit: 's',
        bare: { what: 'bare read loop', value: bare },
      },
      { what: 'resident after the start', value: again.residentMiB, unit: 'MiB' },
    ]
  },
}

/** Writes a log of made-up histories, without running anything. */
export async function writeLog(directory: string, kind: 'completed' | 'waiting', tasks: number): Promise<null> {
  const make = kind === 'completed' ? completed : waiting
  const store = await openSqliteStore({ directory })
  await keepInFlight(tasks, 2048, async (i) => {
    const { stream, events } = make(i)
    await store.append(stream, 'no-stream', events)
  })
  await store.close()
  return null
}

/** @returns milliseconds to read and parse every event */
export async function readLog(directory: string): Promise<number> {
  const reader = openSqliteReader({ directory })
  const took = await timed(async () => {
    let page = await reader.readAll({ limit: 5000 })
    for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
      page = await reader.readAll({ from: last.position, limit: 5000 })
    }
  })
  reader.close()
  return took
}

/** Starts an app without handlers on the log: what waits in it stays waiting. */
export async function startOnce(
  directory: string,
): Promise<{ readonly seconds: number; readonly residentMiB: number }> {
  const app = createApp({ name: APP })
  const began = monotonic()
  const running = await startApp(app, { data: directory, version: '0.1.0' })
  const seconds = (monotonic() - began) / 1000
  const resident = residentMiB()
  await running.stop({ drainMs: 0 })
  return { seconds, residentMiB: resident }
}
