/**
 * The thread in which SQLite makes an image, or looks through one: both are one statement that may take minutes, and the
 * caller goes on meanwhile.
 */
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { openForReading, toFailure } from '../file.ts'
import type { FromImageWorker, ImageJob } from './job.ts'

function work(job: ImageJob): FromImageWorker {
  try {
    if (job.is === 'write') {
      write(job.log, job.image)
      return { is: 'done' }
    }
    const found = check(job.image)
    return found === undefined ? { is: 'done' } : { is: 'damaged', found }
  } catch (error) {
    return { is: 'failed', failure: toFailure(error) }
  }
}

/** One statement, so one state of the log: what is appended meanwhile is not in it, and nobody waits for it. */
function write(log: string, image: string): void {
  const db = openForReading(log)
  try {
    db.prepare('VACUUM INTO ?').run(image)
  } finally {
    db.close()
  }
}

function check(image: string): string | undefined {
  // Not read-only would do no harm, and would leave files beside it.
  const db = new DatabaseSync(image, { readOnly: true })
  try {
    const found = Object.values(db.prepare('PRAGMA integrity_check(1)').get() ?? {})[0]
    return found === 'ok' ? undefined : String(found)
  } finally {
    db.close()
  }
}

const job: ImageJob = workerData
parentPort?.postMessage(work(job))
