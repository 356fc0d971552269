/**
 * Code that a handler left running, a timer or a promise that nobody waits for, is told by its next call that it may not go
 * on, or that the log gave no answer, as when its disk is full. Nobody catches that there; it leaves nothing half done, so it
 * is no reason to end the process with all that runs in it.
 */
import { isRefusal, NotRunning } from '../actors/index.ts'
import { StoreUnavailable } from '../events/index.ts'
import { placeIn } from './user-code.ts'

/** Tells of a refusal or an outage that nobody caught, and lets the process go on. Any other error ends it, as it does without this. */
export function outliveRefusals(report: (error: unknown, doing: string) => void): void {
  const onUncaught = (error: unknown): void => {
    // What the app watches for itself is its own.
    if (process.listenerCount('uncaughtException') > 1) return
    if (!isOutlived(error)) {
      process.off('uncaughtException', onUncaught)
      process.nextTick(() => {
        throw error
      })
      return
    }
    const place = placeIn(error.stack ?? '')
    report(error, `a call that a handler did not wait for${place === undefined ? '' : ` (${place})`}`)
  }
  process.on('uncaughtException', onUncaught)
}

export function isOutlived(error: unknown): error is Error {
  return isRefusal(error) || error instanceof NotRunning || error instanceof StoreUnavailable
}
