/**
 * The writer's thread: here, and only here, the log waits for the disk. All batches that came while a transaction ran go
 * into the next one (group commit).
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { readFault } from './fault.ts'
import { toFailure } from './file.ts'
import { Ledger } from './ledger.ts'
import type { Batch, FromWriter, ToWriter, WriterOptions } from './protocol.ts'
import { Signal } from './signal.ts'

if (!parentPort) throw new Error('The writer runs in a worker thread')
const port = parentPort
const options: WriterOptions = workerData
const signal = new Signal(options.signal)

function say(message: FromWriter): void {
  port.postMessage(message)
}

function open(): Ledger | undefined {
  try {
    return new Ledger(options.file, readFault(process.env.CAPSULE_FAULT))
  } catch (error) {
    say({ is: 'failed', batches: 0, failure: toFailure(error) })
    return undefined
  }
}

function serve(ledger: Ledger): void {
  const write = (batches: readonly Batch[]): void => {
    try {
      const results = ledger.commit(batches)
      // Whoever waits for the answer first; waking the followers takes a while.
      say({ is: 'done', batches: batches.length, head: ledger.head, results })
      signal.moveTo(ledger.head)
    } catch (error) {
      say({ is: 'failed', batches: batches.length, failure: toFailure(error) })
    }
  }

  port.on('message', (first: ToWriter) => {
    const batches: Batch[] = []
    let message: ToWriter | undefined = first
    while (message !== undefined && message !== 'close') {
      batches.push(message)
      message = receiveMessageOnPort(port)?.message
    }
    if (batches.length > 0) write(batches)
    if (message === 'close') {
      try {
        ledger.close()
      } finally {
        port.close()
      }
    }
  })

  signal.moveTo(ledger.head)
  say({ is: 'ready', head: ledger.head })
}

const ledger = open()
if (ledger) serve(ledger)
else port.close()
