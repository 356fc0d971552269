/**
 * The events of a task as sentences: what happened, and who did it or why. An event of a kind this code does not
 * know is shown under its own name, for the log is older and newer than any client.
 */
import type { HistoryEvent, JobStatus, Json } from '../../src/http/wire.ts'
import { format, type IconName } from '../shared/index.ts'

export interface Told {
  what: string
  /** Who and why, as a sentence. */
  who: string
  /** The status it led to; without one an icon says what kind of fact it is. */
  status?: JobStatus
  icon: IconName
}

type Data = { [key: string]: Json | undefined }

const text = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined)
const number = (value: Json | undefined): number | undefined => (typeof value === 'number' ? value : undefined)

/** The message of the `error` an event carries, with its type unless the event `says` it. */
function error(data: Data, says = 'Error'): string {
  const value = data.error
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'No reason was recorded'
  const [type, message] = [text(value.type), text(value.message)]
  return (
    [type === 'Error' || type === says ? undefined : type, message].filter(Boolean).join(': ') ||
    'No reason was recorded'
  )
}

const INTERRUPTIONS: { readonly [cause: string]: string } = {
  crash: 'its process died',
  drain: 'its node was asked to stop',
  lost: 'its node stopped answering',
}

/** An event, and how many reports of progress it stands for: those that came one after another are one line. */
export interface Entry {
  readonly event: HistoryEvent
  readonly reports: number
}

/** The lines of a history, newest first. */
export function entriesOf(events: readonly HistoryEvent[]): Entry[] {
  const entries: Entry[] = []
  for (const event of events) {
    const before = entries.at(-1)
    const goesOn = event.type === 'TaskProgressed' && before?.event.type === 'TaskProgressed'
    if (goesOn) entries[entries.length - 1] = { event, reports: before.reports + 1 }
    else entries.push({ event, reports: 1 })
  }
  return entries.reverse()
}

/** Tells one event. `now` is for instants that have a day. */
export function tell(event: HistoryEvent, now: number): Told {
  const by = format.actor(event.by)
  const data: Data = event.data
  const reason = text(data.reason)
  const because = reason ? `${by}: ${reason}` : by
  switch (event.type) {
    case 'TaskSubmitted':
      return { what: 'Submitted', who: by, status: 'pending', icon: 'pending' }
    case 'TaskScheduled': {
      const at = text(data.runAt)
      return {
        what: at ? `Scheduled for ${format.instantWithin(at, now)}` : 'Scheduled',
        who: by,
        status: 'scheduled',
        icon: 'scheduled',
      }
    }
    case 'TaskStarted': {
      const deadline = text(data.deadline)
      const until = deadline ? `, deadline ${format.clockSeconds(deadline)}` : ''
      return {
        what: `Started attempt ${number(data.attempt) ?? 1}`,
        who: `${text(data.node) ?? by}${until}`,
        status: 'running',
        icon: 'running',
      }
    }
    case 'TaskProgressed': {
      const fraction = number(data.fraction)
      const message = text(data.message)
      const done = fraction === undefined ? undefined : `Progress ${Math.round(fraction * 100)}%`
      return { what: [done, message].filter(Boolean).join(', ') || 'Progress', who: by, icon: 'more' }
    }
    case 'TaskLogged':
      return { what: text(data.message) ?? 'Logged', who: `${by}, ${text(data.level) ?? 'log'}`, icon: 'log' }
    case 'TaskDeadlineExtended': {
      const until = text(data.deadline)
      return {
        what: until ? `Deadline extended to ${format.clockSeconds(until)}` : 'Deadline extended',
        who: by,
        icon: 'extend',
      }
    }
    case 'TaskRetryScheduled': {
      const at = text(data.runAt)
      const what = data.cause === 'timeout' ? 'Attempt timed out, waiting to retry' : 'Attempt failed, waiting to retry'
      return {
        what,
        who: `${error(data)}${at ? `. Next at ${format.clockSeconds(at)}` : ''}`,
        status: 'retry',
        icon: 'retry',
      }
    }
    case 'TaskInterrupted': {
      const cause = INTERRUPTIONS[text(data.cause) ?? ''] ?? 'its node went away'
      return {
        what: 'Interrupted, waiting to run again',
        who: `${by}: ${cause}. This does not use up a retry.`,
        status: 'retry',
        icon: 'retry',
      }
    }
    case 'TaskCancelRequested':
      return { what: 'Cancel asked for', who: because, icon: 'cancelled' }
    case 'TaskCompleted':
      return { what: 'Completed', who: by, status: 'completed', icon: 'completed' }
    case 'TaskFailed':
      return { what: 'Failed', who: error(data), status: 'failed', icon: 'failed' }
    case 'TaskTimedOut':
      return { what: 'Timed out', who: error(data, 'TimeoutError'), status: 'timeout', icon: 'timeout' }
    case 'TaskCancelled':
      return { what: 'Cancelled', who: because, status: 'cancelled', icon: 'cancelled' }
    case 'TaskRequeued':
      return { what: 'Queued again', who: because, status: 'pending', icon: 'retry' }
    case 'TaskWriteRefused': {
      const attempt = number(data.attempt)
      const tried = text(data.tried) ?? 'to write'
      return {
        what: `Refused a late write${attempt === undefined ? '' : ` of attempt ${attempt}`}`,
        who: `${text(data.node) ?? by} tried ${tried}. ${reason ?? 'Its claim had ended.'}`,
        icon: 'fence',
      }
    }
    case 'TaskDeleted':
      return { what: 'Deleted from the views', who: by, icon: 'close' }
    case 'CallbackDelivered':
      return {
        what: `Callback delivered, status ${number(data.status) ?? 'unknown'}`,
        who: text(data.url) ?? by,
        icon: 'send',
      }
    case 'CallbackFailed':
      return { what: 'Callback not delivered', who: `${text(data.url) ?? by}: ${reason ?? 'no answer'}`, icon: 'info' }
    default:
      return { what: event.type, who: by, icon: 'more' }
  }
}
