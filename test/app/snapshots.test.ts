/** snapshots.db in a data directory: made by an app with long streams, used by the next start, and missed by nobody. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { createApp, startApp } from '../../src/app/index.ts'
import { GENESIS, newId, openSqliteStore, seal } from '../../src/events/index.ts'

const STREAM = 'demo.setting-task:work'
/** More events than a snapshot is taken after; an odd number, so that the task is paused in the end. */
const SWITCHES = 601

async function directory(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'capsule-snapshots-'))
  onTestFinished(() => rm(made, { recursive: true, force: true, maxRetries: 5 }))
  return made
}

/** A log in which a task was paused and resumed again and again. */
async function longPast(): Promise<string> {
  const data = await directory()
  const store = await openSqliteStore({ directory: data })
  const metadata = {
    at: new Date(0).toISOString(),
    by: 'user:ada',
    causationId: 'c',
    correlationId: 'c',
    v: 1,
  } as const
  let hash = GENESIS
  const events = Array.from({ length: SWITCHES }, (_, n) => {
    const fact = { id: newId(), type: 'SettingSet', data: { key: 'paused', value: n % 2 === 0 }, metadata }
    const sealed = seal(STREAM, BigInt(n), hash, fact)
    hash = sealed.metadata.hash
    return sealed
  })
  await store.append(STREAM, 'no-stream', events)
  await store.close()
  return data
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

test('a long stream has a snapshot after a start, and the file may be damaged or deleted before the next', {
  timeout: 60_000,
}, async () => {
  const data = await longPast()
  const file = join(data, 'snapshots.db')
  const damages = [
    async () => {},
    async () => {},
    () => writeFile(file, 'no database at all'.repeat(1000)),
    () => rm(file),
  ]
  for (const damage of damages) {
    await damage()
    const { engine, stop } = await start(data)
    expect(engine.isPaused('work')).toBe(true)
    await stop()
    expect(kept(data)).toEqual({ [STREAM]: SWITCHES - 1 })
  }
})
