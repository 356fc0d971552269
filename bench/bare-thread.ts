/** The thread of `commitAtPace`: commits the rows that each message brings, and answers. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { openBare, type Row } from './bare.ts'

const port = parentPort as MessagePort
const { insert, db } = openBare(workerData as string)
let position = 0
port.on('message', (rows: readonly Row[] | 'close') => {
  if (rows === 'close') {
    db.close()
    port.close()
    return
  }
  db.exec('BEGIN')
  for (const row of rows) insert(position++, row)
  db.exec('COMMIT')
  port.postMessage('committed')
})
