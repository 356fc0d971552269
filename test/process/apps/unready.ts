/** What a process loads that never gets ready: by its address, it waits for ever, or ends. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { LoadGuest } from '../../../src/execution/process/protocol.ts'

export const load: LoadGuest = async ({ entry }) => {
  console.error('no licence')
  if (entry.endsWith('exit')) process.exit(4)
  await sleep(600_000)
  throw new Error('This took too long.')
}
