/**
 * An image: a whole log at one moment in one file, which needs no other beside it. It is made while another process writes
 * to the log, and neither waits for the other (docs/decisions/0029-copies-of-a-log.md).
 */
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { StoreUnavailable } from '../../../errors.ts'
import { programFile } from '../../../package.ts'
import { EVENTS_FILE, toStoreError } from '../file.ts'
import { openSqliteReader, type SqliteReader } from '../reader.ts'
import type { FromImageWorker, ImageJob } from './job.ts'

const TELL_EVERY_MS = 250

export interface WriteImage {
  /** The data directory; another process may have it. */
  readonly directory: string
  /** Where the image is made. Nothing may be there. */
  readonly image: string
  /** Told now and then how large it is, in bytes, and how large the log is. */
  readonly onProgress?: (bytes: number, of: number) => void
}

/** @throws StoreUnavailable (no room, no log), StoreCorrupt; what there is of the image then stays */
export async function writeImage({ directory, image, onProgress }: WriteImage): Promise<void> {
  const log = join(directory, EVENTS_FILE)
  const size = sizeOf(log)
  const telling = onProgress && setInterval(() => onProgress(sizeOf(image), size), TELL_EVERY_MS)
  try {
    await run({ is: 'write', log, image })
  } finally {
    clearInterval(telling)
  }
}

/** What SQLite finds wrong with the file; undefined when nothing is. @throws StoreUnavailable, StoreCorrupt */
export async function damageOf(image: string): Promise<string | undefined> {
  const answer = await run({ is: 'check', image })
  return answer.is === 'damaged' ? answer.found : undefined
}

/** @throws StoreUnavailable, StoreCorrupt */
export function openImage(image: string): SqliteReader {
  return openSqliteReader({ directory: dirname(image), file: basename(image) })
}

async function run(job: ImageJob): Promise<FromImageWorker> {
  const file = programFile('events/stores/sqlite/image/worker')
  const worker = new Worker(file, { workerData: job, name: 'capsule-image' })
  const ended = new AbortController()
  worker.once('exit', () => ended.abort())
  try {
    // Rejects when the thread fails, too.
    const [answer]: FromImageWorker[] = await once(worker, 'message', { signal: ended.signal })
    if (answer?.is === 'failed') throw toStoreError(answer.failure)
    if (answer) return answer
  } catch (error) {
    if (!ended.signal.aborted) throw error
  } finally {
    await worker.terminate()
  }
  throw new StoreUnavailable('The thread that copies the log has ended without an answer.', { retryable: false })
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}
