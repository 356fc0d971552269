/** What newer code would write, which the code under test does not know. */
import { type EventStore, GENESIS, newId, seal } from '../../src/events/index.ts'

/** Appends to the end of a stream of the app `demo` an event, of a version that is yet to come unless another is given. */
export async function writeAsNewer(log: EventStore, stream: string, type: string, data = {}, v = 9): Promise<void> {
  const name = `demo.${stream}`
  const last = (await log.readStream(name)).at(-1)
  const id = newId()
  const metadata = { at: '2026-01-01T00:00:00.000Z', by: 'system', causationId: id, correlationId: id, v } as const
  const event = { id, type, data, metadata }
  const sealed = seal(name, (last?.revision ?? -1n) + 1n, last?.metadata.hash ?? GENESIS, event)
  await log.append(name, last?.revision ?? 'no-stream', [sealed])
}
