/**
 * An app whose code calls process.exit ends its server in silence, and with 0 as if it had been asked to stop: who supervises
 * it may not start it again.
 */

import { isOutlived } from './left-running.ts'

/** Node's own, with its own warning: an `await` of the app's file waits for nothing that could come. */
const UNSETTLED_AWAIT = 13

/** Resolves with what `work` does. Until then an end of the process that is no crash is told of, and never exits with 0. */
export async function untilItsOwnEnd<T>(work: Promise<T>): Promise<T> {
  // That one has told its own story.
  let hasCrashed = false
  const onCrash = (error: unknown): void => {
    hasCrashed ||= !isOutlived(error)
  }
  const onExit = (code: number): void => {
    if (hasCrashed || code === UNSETTLED_AWAIT) return
    const [, , ...callers] = new Error().stack?.split('\n') ?? []
    process.stderr.write(
      `capsule: code of the app ended the process (process.exit(${code})): what ran is interrupted, and runs again at the next ` +
        `start\n${callers.join('\n')}\n`,
    )
    process.exitCode = code === 0 ? 1 : code
  }
  process.on('uncaughtExceptionMonitor', onCrash)
  process.on('exit', onExit)
  try {
    return await work
  } finally {
    process.off('uncaughtExceptionMonitor', onCrash)
    process.off('exit', onExit)
  }
}
