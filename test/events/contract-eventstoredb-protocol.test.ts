/** The store of a cluster keeps the contract of every store, on a server of the tests' own that speaks the same protocol. */

import { openEventStoreDB } from '../../src/events/index.ts'
import { eventStoreContract } from './contract.ts'
import { FakeServer, Log } from './eventstoredb/server.ts'

eventStoreContract('EventStoreDB protocol', async () => {
  const log = new Log()
  log.disturb('$stats-127.0.0.1')
  const server = await FakeServer.start({ log })
  return {
    store: await openEventStoreDB({ url: server.url }),
    reopen: () => openEventStoreDB({ url: server.url }),
    dispose: async () => server.kill(),
  }
})
