/**
 * A process that appends to the log in argv[2] until it is killed, and prints the id of each append once acknowledged;
 * or, with `delete`, appends one event to a stream and deletes that.
 */
import { randomUUID } from 'node:crypto'
import { flushCompileCache } from 'node:module'
import { openSqliteStore } from '../../src/events/index.ts'
import { noted } from './noted.ts'

// One that is killed keeps nothing of what it compiled for the next, unless it does so now.
flushCompileCache()

const store = await openSqliteStore({ directory: process.argv[2] ?? '' })
await say('open')

/** On its way out when this resolves: a slow reader makes the next append wait. */
function say(line: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(`${line}\n`, () => resolve()))
}

/** What one append records: three events. */
function three(id: string) {
  return noted(`child.task-${id}`, [id, randomUUID(), randomUUID()], { text: 'x'.repeat(200) })
}

async function lane(): Promise<void> {
  for (;;) {
    const id = randomUUID()
    await store.append(`child.task-${id}`, 'no-stream', three(id))
    await say(id)
  }
}

if (process.argv[3] === 'delete') {
  await store.append('child.task-1', 'no-stream', noted('child.task-1', [randomUUID()]))
  await store.deleteStream('child.task-1', 0n)
} else if (process.argv[3] !== 'idle') await Promise.all(Array.from({ length: 16 }, lane))
