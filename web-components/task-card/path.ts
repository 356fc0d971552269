/**
 * The task machine as the detail draws it, and the way one task took through it. A test holds the transitions to those
 * of the machine itself, which the page does not load.
 */
import type { HistoryEvent, JobStatus } from '../../src/http/wire.ts'

export type From = JobStatus | 'new'

export interface Transition {
  readonly from: From
  readonly type: string
  readonly to: JobStatus
}

/** One transition that a task made. `at` is an ISO instant. */
export interface Step extends Transition {
  readonly at: string
}

const WAITING = ['pending', 'scheduled', 'retry'] as const

const MACHINE: readonly { readonly from: readonly From[]; readonly type: string; readonly to: JobStatus }[] = [
  { from: ['new'], type: 'TaskSubmitted', to: 'pending' },
  { from: ['new'], type: 'TaskScheduled', to: 'scheduled' },
  { from: WAITING, type: 'TaskStarted', to: 'running' },
  { from: ['running'], type: 'TaskRetryScheduled', to: 'retry' },
  { from: ['running'], type: 'TaskInterrupted', to: 'retry' },
  { from: ['running'], type: 'TaskCompleted', to: 'completed' },
  { from: ['running'], type: 'TaskTimedOut', to: 'timeout' },
  { from: ['running', ...WAITING], type: 'TaskFailed', to: 'failed' },
  { from: ['running', ...WAITING], type: 'TaskCancelled', to: 'cancelled' },
  { from: ['failed', 'timeout', 'cancelled'], type: 'TaskRequeued', to: 'pending' },
]

export const TRANSITIONS: readonly Transition[] = MACHINE.flatMap(({ from, type, to }) =>
  from.map((each) => ({ from: each, type, to })),
)

const LEADS_TO = new Map(MACHINE.map(({ type, to }) => [type, to]))

/** The transitions in a history, oldest first. What is no transition, or none that this code knows, is passed over. */
export function walk(events: readonly HistoryEvent[]): Step[] {
  const steps: Step[] = []
  let from: From = 'new'
  for (const { type, at } of events) {
    const to = LEADS_TO.get(type)
    if (!to) continue
    steps.push({ from, type, to, at })
    from = to
  }
  return steps
}
