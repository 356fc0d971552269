/** Whose read models a directory has to have when nothing says so but its log. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { openReadModelsOf } from '../../src/cli/read-models.ts'
import { openSqliteStore } from '../../src/events/index.ts'
import { append, submitted } from '../projections/support.ts'

it('are those of the app, also where the first event left in the log is that something was retired', async () => {
  const data = await mkdtemp(join(tmpdir(), 'capsule-read-models-'))
  onTestFinished(() => rm(data, { recursive: true, force: true, maxRetries: 5 }))
  const store = await openSqliteStore({ directory: data })
  const archive = { file: 'demo.jsonl', offset: 0, bytes: 1, sha256: 'a'.repeat(64) }
  const retired = { stream: 'demo.task-t1', lastRevision: 0, lastHash: 'a'.repeat(64), events: 1, archive }
  await append(store, 'audit', '', [{ type: 'StreamRetired', data: retired }])
  await append(store, 'task', 't2', [submitted()])
  await store.close()

  const of = await openReadModelsOf({ data })
  expect((await of.look()).head).toBe('1')
  await of.close()
})
