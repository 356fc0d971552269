/** A process that archives one stream of 200 events to the directory in argv[2], and prints what came of it. */
import {
  type EventData,
  GENESIS,
  openArchive,
  type Position,
  type RecordedEvent,
  seal,
} from '../../src/events/index.ts'

const stream = 'child.task-a'

function chained(): RecordedEvent[] {
  let hash = GENESIS
  return Array.from({ length: 200 }, (_, i) => {
    const sealed: EventData = seal(stream, BigInt(i), hash, {
      id: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
      type: 'Noted',
      data: { text: 'x'.repeat(1000) },
      metadata: { at: '2026-01-05T09:00:00.000Z', by: 'system', correlationId: 'c', causationId: 'c', v: 1 },
    })
    hash = sealed.metadata.hash ?? ''
    const { id, type, data, metadata } = sealed
    return { id, type, data, metadata, stream, revision: BigInt(i), position: BigInt(i) as Position, recordedAt: 0 }
  })
}

const archive = await openArchive({ directory: process.argv[2] ?? '', app: 'child' })
try {
  const { archive: copy } = await archive.write(stream, [chained()])
  await archive.sync()
  console.log(`kept ${copy.bytes} bytes`)
} catch (error) {
  console.log(error instanceof Error && 'code' in error ? error.code : error)
} finally {
  await archive.close()
}
