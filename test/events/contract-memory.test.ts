/** The store in memory keeps the contract of every store. */
import { eventStoreContract } from '../../src/events/contract.ts'
import { openMemoryStore } from '../../src/events/index.ts'

eventStoreContract('memory', async () => ({ store: openMemoryStore() }), { forgets: true })
