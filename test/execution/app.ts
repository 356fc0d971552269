/** An app for one test, started in memory and stopped after it; a stop fails on whatever was reported meanwhile. */
import { onTestFinished } from 'vitest'
import { type App, createApp } from '../../src/app/index.ts'
import { type TestApp, type TestOptions, testApp } from '../../src/testing/index.ts'

export interface Options extends TestOptions {
  readonly concurrency?: number
}

/** What a declaration may wait on before the app runs. */
export type Sleep = TestApp['sleep']

export async function running(declare: (app: App, sleep: Sleep) => void, options: Options = {}): Promise<TestApp> {
  const { concurrency, ...rest } = options
  let t: TestApp | undefined
  const app = createApp({ name: 'demo', ...(concurrency === undefined ? {} : { concurrency }) })
  declare(app, async (...of) => t?.sleep(...of))
  t = await testApp(app, rest)
  onTestFinished(async () => {
    await t.stop(0)
  })
  return t
}

/** How many of the jobs are in each status. */
export async function statuses(t: TestApp, ids: readonly string[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const id of ids) {
    const { status } = await t.client.job(id)
    counts[status] = (counts[status] ?? 0) + 1
  }
  return counts
}

/** The same app with other code. */
export function declared(declare: (app: App) => void): App {
  const app = createApp({ name: 'demo' })
  declare(app)
  return app
}

/** Types of a task's events, without the 'Task' in front. */
export async function storyOf(t: TestApp, taskId: string): Promise<string[]> {
  return (await t.events(`task-${taskId}`)).map(({ type }) => type.replace('Task', ''))
}

export async function dataOf(t: TestApp, stream: string, type: string) {
  return (await t.events(stream)).filter((event) => event.type === type).map(({ data }) => data)
}

/** A handler that runs until it is told to end. */
export function gate() {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { opened: promise, open: resolve }
}
