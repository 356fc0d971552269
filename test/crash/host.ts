/**
 * Serves one data directory after another, or several at once, as `capsule serve` would: for tests that want to look at
 * what a crash left, or to kill many at the same time, and need no process of its own for each. Forked by hosted.ts, told
 * by messages.
 */
import { flushCompileCache, registerHooks } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { App } from '../../src/app/index.ts'

export type Asked = { readonly life: number } & (
  | { readonly app: string; readonly data: string; readonly fault?: string }
  | { readonly stop: true }
)

export interface Told {
  readonly life: number
  readonly url?: string
  /** Its writer is held at the fault: its log stays as it is. */
  readonly held?: true
  /** When it has stopped: what it said that nobody asked for. */
  readonly complaints?: readonly string[]
  readonly failed?: string
}

const PROGRAMS = import.meta.resolve('./programs.ts')
const PACKAGE = import.meta.resolve('../../src/events/package.ts')
registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context)
    return resolved.url === PACKAGE && context.parentURL !== PROGRAMS ? { ...resolved, url: PROGRAMS } : resolved
  },
})
const { HELD } = await import('./programs.ts')
const { startApp } = await import('../../src/app/index.ts')
const { startAhead } = await import('../../src/events/index.ts')
const { createServer } = await import('../../src/http/index.ts')

const stops = new Map<number, () => Promise<readonly string[]>>()
const holds = new Map<number, () => void>()
/** Those with a fault start one after the other. */
let turn = Promise.resolve()

new BroadcastChannel(HELD).onmessage = ({ data }: { readonly data: number }) => {
  tell({ life: data, held: true })
  holds.get(data)?.()
}
process.on('message', (asked: Asked) => {
  if (!('fault' in asked)) return answer(asked)
  turn = turn.then(() => Promise.race([answer(asked), new Promise<void>((held) => holds.set(asked.life, held))]))
})
process.on('disconnect', () => process.exit())

async function answer(asked: Asked): Promise<void> {
  const { life } = asked
  try {
    if ('stop' in asked) tell({ life, complaints: (await stops.get(life)?.()) ?? [] })
    else tell({ life, url: await serve(life, asked.app, asked.data, asked.fault) })
  } catch (error) {
    tell({ life, failed: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
}

async function serve(life: number, file: string, data: string, fault?: string): Promise<string> {
  // A module of its own: an app runs once at a time, and what its file remembers is of one life.
  const { app } = (await import(`${pathToFileURL(resolve(file)).href}?life=${life}`)) as { app: App }
  const complaints: string[] = []
  if (fault !== undefined) startWriterWith(fault, life)
  const running = await startApp(app, { data, report: (error, doing) => complaints.push(`${doing}: ${error}`) })
  const server = await createServer(running, { port: 0 })
  stops.set(life, async () => {
    stops.delete(life)
    await server.close()
    await running.stop({ drainMs: 0 })
    return complaints
  })
  const url = await server.listen()
  // A process that is killed never comes to write it at its end.
  flushCompileCache()
  return url
}

/** The thread has the environment as it is when it is made; the app that starts next takes it. */
function startWriterWith(fault: string, life: number): void {
  process.env.CAPSULE_FAULT = `store:${fault}`
  process.env.CAPSULE_TEST_LIFE = String(life)
  startAhead('capsule-log-writer')
  delete process.env.CAPSULE_FAULT
  delete process.env.CAPSULE_TEST_LIFE
}

function tell(told: Told): void {
  process.send?.(told)
}
