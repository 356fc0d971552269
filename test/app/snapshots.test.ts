/** snapshots.db in a data directory: made by an app with long streams, used by the next start, and missed by nobody. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { createApp, startApp } from '../../src/app/index.ts'

const caller = { by: 'user:ada', ownerId: 'ada' } as const
/** More events than a snapshot is taken after; an odd number, so that the task is paused in the end. */
const SWITCHES = 601

async function directory(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'capsule-snapshots-'))
  onTestFinished(() => rm(made, { recursive: true, force: true, maxRetries: 5 }))
  return made
}

async function start(data: string) {
  const app = createApp({ name: 'demo' })
  app.task('work', () => {})
  const problems: unknown[] = []
  const engine = await startApp(app, { data, report: (error) => problems.push(error) })
  const stop = async () => {
    await engine.stop({ drainMs: 0 })
    expect(problems).toEqual([])
  }
  return { engine, stop }
}

/** By stream: the revision that each snapshot is of. */
function kept(data: string): Record<string, unknown> {
  const db = new DatabaseSync(join(data, 'snapshots.db'))
  const rows = db.prepare('SELECT stream, revision FROM snapshots').all()
  db.close()
  return Object.fromEntries(rows.map(({ stream, revision }) => [stream, revision]))
}

test('a long stream has a snapshot after a stop, and the file may be damaged or deleted before the next start', async () => {
  const data = await directory()
  const first = await start(data)
  for (let n = 0; n < SWITCHES; n++) {
    await (n % 2 === 0 ? first.engine.pauseTask('work', caller) : first.engine.resumeTask('work', caller))
  }
  await first.stop()
  expect(kept(data)).toEqual({ 'demo.setting-task:work': 499 })
  const damages = [
    async () => {},
    () => writeFile(join(data, 'snapshots.db'), 'no database at all'.repeat(1000)),
    () => rm(join(data, 'snapshots.db')),
  ]
  for (const damage of damages) {
    await damage()
    const next = await start(data)
    expect(next.engine.isPaused('work')).toBe(true)
    await next.stop()
  }
  // It was read whole, and so is kept again.
  expect(kept(data)).toEqual({ 'demo.setting-task:work': SWITCHES - 1 })
})
