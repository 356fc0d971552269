/** A thread that follows a log through `openSqliteReader` and reports each head it is woken for. */
import { parentPort, workerData } from 'node:worker_threads'
import { openSqliteReader, type Position, StoreClosed } from '../../src/events/index.ts'

const reader = openSqliteReader(workerData)
let after: Position = await reader.head()
parentPort?.postMessage({ following: after })
try {
  for (;;) {
    after = await reader.waitForHead(after, 60_000)
    parentPort?.postMessage({ head: after, read: (await reader.readAll({ limit: 10_000 })).length })
  }
} catch (error) {
  parentPort?.postMessage({ closed: error instanceof StoreClosed })
} finally {
  reader.close()
}
