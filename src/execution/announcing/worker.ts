/** The announcing thread, started by thread.ts: appends a sign of life every two seconds and says how that went. */
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../actors/index.ts'
import { openEventStoreDB, StoreUnavailable } from '../../events/index.ts'
import { LoopAnnouncer } from '../announcer.ts'
import { type AnnouncingOptions, type FromAnnouncing, sharedNow, type ToAnnouncing } from './protocol.ts'

const { url, node, stream, manifest, beat } = workerData as AnnouncingOptions
const due = new BigInt64Array(beat)
const tell = (message: FromAnnouncing) => parentPort?.postMessage(message)

const store = await openEventStoreDB({ url })
const announcer = new LoopAnnouncer({ node, stream, manifest, store, clock: systemClock }, () =>
  Math.max(0, Number(sharedNow() - Atomics.load(due, 0)) / 1e6),
)
announcer.start({
  asked: () => tell({ kind: 'asked' }),
  answered: () => tell({ kind: 'answered' }),
  failed: (error) => {
    const why = error instanceof Error ? error.message : String(error)
    tell({ kind: 'failed', why, unavailable: error instanceof StoreUnavailable })
  },
})
parentPort?.on('message', async (_: ToAnnouncing) => {
  await announcer.stop()
  await store.close()
  parentPort?.close()
})
