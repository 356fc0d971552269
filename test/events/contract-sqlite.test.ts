/** The embedded store keeps the contract of every store. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqliteStore } from '../../src/events/index.ts'
import { eventStoreContract } from './contract.ts'

eventStoreContract('sqlite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'capsule-store-'))
  return {
    store: await openSqliteStore({ directory }),
    reopen: () => openSqliteStore({ directory }),
    dispose: () => rm(directory, { recursive: true }),
  }
})
