/** A process that archives one stream of 200 events to the directory in argv[2], and prints what came of it. */
import { openArchive } from '../../src/events/index.ts'
import { recorded } from './noted.ts'

const stream = 'child.task-a'
const ids = Array.from({ length: 200 }, (_, i) => `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`)

const archive = await openArchive({ directory: process.argv[2] ?? '', app: 'child' })
try {
  const { archive: copy } = await archive.write(stream, [recorded(stream, ids, { text: 'x'.repeat(1000) })])
  await archive.sync()
  console.log(`kept ${copy.bytes} bytes`)
} catch (error) {
  console.log(error instanceof Error && 'code' in error ? error.code : error)
} finally {
  await archive.close()
}
