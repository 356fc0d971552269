/**
 * The writer's thread: here, and only here, the log waits for the disk. All batches that came while a transaction ran go
 * into the next one (group commit).
 */
import { once } from 'node:events'
import { type MessagePort, parentPort, receiveMessageOnPort } from 'node:worker_threads'
import { readFault } from './fault.ts'
import { toFailure } from './file.ts'
import { Ledger } from './ledger.ts'
import type { Batch, FromWriter, ToWriter, WriterOptions } from './protocol.ts'
import { Signal } from './signal.ts'

function run(port: MessagePort, options: WriterOptions): void {
  const say = (message: FromWriter): void => port.postMessage(message)
  let ledger: Ledger
  try {
    ledger = new Ledger(options.file, readFault(process.env.CAPSULE_FAULT))
  } catch (error) {
    say({ is: 'failed', batches: 0, failure: toFailure(error) })
    port.close()
    return
  }
  const signal = new Signal(options.signal)
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

if (!parentPort) throw new Error('The writer runs in a worker thread')
const [options] = await once(parentPort, 'message')
run(parentPort, options as WriterOptions)
