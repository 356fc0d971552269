/**
 * A process that appends to the log in argv[2] until it is killed, and prints the id of each append once acknowledged;
 * or, with `delete`, appends one event to a stream and deletes that.
 */
import { randomUUID } from 'node:crypto'
import { type EventData, GENESIS, openSqliteStore, seal } from '../../src/events/index.ts'

const store = await openSqliteStore({ directory: process.argv[2] ?? '' })
await say('open')

/** On its way out when this resolves: a slow reader makes the next append wait. */
function say(line: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(`${line}\n`, () => resolve()))
}

/** What one append records: three events, sealed as the log's own are. */
function noted(id: string): EventData[] {
  let hash = GENESIS
  return [id, randomUUID(), randomUUID()].map((each, i) => {
    const sealed = seal(`child.task-${id}`, BigInt(i), hash, {
      id: each,
      type: 'Noted',
      data: { text: 'x'.repeat(200) },
      metadata: { at: new Date().toISOString(), by: 'system', correlationId: 'c', causationId: 'c', v: 1 },
    })
    hash = sealed.metadata.hash
    return sealed
  })
}

async function lane(): Promise<void> {
  for (;;) {
    const id = randomUUID()
    await store.append(`child.task-${id}`, 'no-stream', noted(id))
    await say(id)
  }
}

if (process.argv[3] === 'delete') {
  await store.append('child.task-1', 'no-stream', noted(randomUUID()).slice(0, 1))
  await store.deleteStream('child.task-1', 0n)
} else if (process.argv[3] !== 'idle') await Promise.all(Array.from({ length: 16 }, lane))
