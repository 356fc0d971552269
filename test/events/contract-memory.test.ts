/** The store in memory keeps the contract of every store. */

import { openMemoryStore } from '../../src/events/index.ts'
import { eventStoreContract } from './contract.ts'

eventStoreContract('memory', async () => ({ store: openMemoryStore() }), { forgets: true })
