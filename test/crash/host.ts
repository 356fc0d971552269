/**
 * Serves one data directory after another, or several at once, as `capsule serve` would: for tests that want to look at
 * what a crash left, and need no process of its own for that. Forked by server.ts, told by messages.
 */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type App, startApp } from '../../src/app/index.ts'
import { createServer } from '../../src/http/index.ts'

export type Asked = { readonly life: number } & (
  | { readonly app: string; readonly data: string }
  | { readonly stop: true }
)

export interface Told {
  readonly life: number
  readonly url?: string
  /** When it has stopped: what it said that nobody asked for. */
  readonly complaints?: readonly string[]
  readonly failed?: string
}

const stops = new Map<number, () => Promise<readonly string[]>>()

process.on('message', async (asked: Asked) => {
  const { life } = asked
  try {
    if ('stop' in asked) tell({ life, complaints: (await stops.get(life)?.()) ?? [] })
    else tell({ life, url: await serve(life, asked.app, asked.data) })
  } catch (error) {
    tell({ life, failed: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
})
process.on('disconnect', () => process.exit())

async function serve(life: number, file: string, data: string): Promise<string> {
  // A module of its own: an app runs once at a time, and what its file remembers is of one life.
  const { app } = (await import(`${pathToFileURL(resolve(file)).href}?life=${life}`)) as { app: App }
  const complaints: string[] = []
  const running = await startApp(app, { data, report: (error, doing) => complaints.push(`${doing}: ${error}`) })
  const server = await createServer(running, { port: 0 })
  stops.set(life, async () => {
    stops.delete(life)
    await server.close()
    await running.stop({ drainMs: 0 })
    return complaints
  })
  return server.listen()
}

function tell(told: Told): void {
  process.send?.(told)
}
