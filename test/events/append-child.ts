/**
 * A process that appends to the log in argv[2] until it is killed, and prints the id of each append once acknowledged;
 * or, with `delete`, appends one event to a stream and deletes that.
 */
import { randomUUID } from 'node:crypto'
import { writeSync } from 'node:fs'
import { type EventData, openSqliteStore } from '../../src/events/index.ts'

const store = await openSqliteStore({ directory: process.argv[2] ?? '' })
writeSync(1, 'open\n')

function noted(): EventData {
  return {
    id: randomUUID(),
    type: 'Noted',
    data: { text: 'x'.repeat(200) },
    metadata: { at: new Date().toISOString(), by: 'system', correlationId: 'c', causationId: 'c', v: 1 },
  }
}

async function lane(): Promise<void> {
  for (;;) {
    const event = noted()
    await store.append(`child.task-${event.id}`, 'no-stream', [event, noted(), noted()])
    writeSync(1, `${event.id}\n`)
  }
}

if (process.argv[3] === 'delete') {
  await store.append('child.task-1', 'no-stream', [noted()])
  await store.deleteStream('child.task-1', 0n)
} else if (process.argv[3] !== 'idle') await Promise.all(Array.from({ length: 16 }, lane))
