/**
 * The store of a cluster keeps the contract of every store, on a real server: `EVENTSTORE_URL=esdb://… npm test`. Without
 * that variable vitest.config.ts leaves this file out, and `npm test` says so.
 */

import { openEventStoreDB } from '../../src/events/index.ts'
import { eventStoreContract } from './contract.ts'

const url = process.env.EVENTSTORE_URL ?? ''

eventStoreContract('EventStoreDB', async () => ({
  store: await openEventStoreDB({ url }),
  reopen: () => openEventStoreDB({ url }),
}))
