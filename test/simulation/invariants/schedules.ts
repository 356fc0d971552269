/** What schedules hold to: each due time is decided once, for a reason that was true, and what is decided happens. */
import type { RecordedEvent, ScheduleFact } from '../../../src/events/index.ts'
import { at, type History, type Invariant, streamsOf } from '../history.ts'
import { SCHEDULES } from '../simulated-app.ts'

export const scheduleInvariants: readonly Invariant[] = [
  { name: 'each due time is decided once and none is missing', check: decidedOnce },
  { name: 'a decided occurrence runs and is finished once', check: carriedOut },
]

const MINUTE = 60_000

function* decidedOnce({ events, endedAt }: History): Iterable<string> {
  for (const [name, stream] of streamsOf(events, 'schedule')) {
    const interval = (SCHEDULES[name]?.everyMinutes ?? 1) * MINUTE
    let next = 0
    let paused = false
    const running = new Set<string>()
    for (const event of stream) {
      const fact = event as unknown as ScheduleFact
      const where = `${fact.type} of ${name} at ${event.revision}`
      if (fact.type === 'ScheduleRegistered') next = (Math.floor(at(event) / interval) + 1) * interval
      else if (fact.type === 'SchedulePaused') paused = true
      else if (fact.type === 'ScheduleResumed') paused = false
      else if (fact.type === 'OccurrenceFinished') running.delete(fact.data.taskId)
      else if (fact.type === 'OccurrenceDue' || fact.type === 'OccurrenceSkipped') {
        const fromCron = fact.type === 'OccurrenceSkipped' || fact.data.trigger !== 'manual'
        if (fromCron) {
          if (Date.parse(fact.data.due) !== next) {
            yield `${where} decides ${fact.data.due}, due is ${new Date(next).toISOString()}`
          }
          if (next > at(event)) yield `${where} decides ${fact.data.due} before its time`
          next = Date.parse(fact.data.due) + interval
        }
        yield* rightReason(where, name, event, { paused, running: running.size })
        if (fact.type === 'OccurrenceDue') running.add(fact.data.taskId)
      }
    }
    if (next <= endedAt) yield `what was due of ${name} at ${new Date(next).toISOString()} was never decided`
  }
}

function* rightReason(where: string, name: string, event: RecordedEvent, state: { paused: boolean; running: number }) {
  const fact = event as unknown as ScheduleFact
  const { overlap, missed } = SCHEDULES[name] ?? {}
  if (fact.type === 'OccurrenceSkipped') {
    const { reason } = fact.data
    if (reason === 'paused' && !state.paused) yield `${where} skips as paused what was not`
    if (reason === 'overlap' && (overlap !== 'skip' || state.running === 0)) yield `${where} skips though nothing ran`
    if (reason === 'missed' && missed === 'all') yield `${where} misses what was to be caught up with`
  } else if (fact.type === 'OccurrenceDue' && fact.data.trigger !== 'manual') {
    if (state.paused) yield `${where} while paused`
    if (overlap === 'skip' && state.running > 0) yield `${where} while another occurrence runs`
    if (fact.data.trigger === 'caught-up' && missed === 'skip') yield `${where} catches up with what was to be skipped`
  }
}

function* carriedOut({ events }: History): Iterable<string> {
  const tasks = streamsOf(events, 'task')
  for (const [name, stream] of streamsOf(events, 'schedule')) {
    const finished = stream.filter(({ type }) => type === 'OccurrenceFinished').map(({ data }) => data.taskId)
    for (const { type, data, position } of stream) {
      if (type !== 'OccurrenceDue') continue
      const { taskId, due } = data
      const task = tasks.get(String(taskId))
      if (!task) yield `the occurrence of ${name} due ${due} has no task ${taskId}`
      else if (task[0] && task[0].position < position) yield `task ${taskId} of ${name} was there before it was due`
      const times = finished.filter((id) => id === taskId).length
      if (times !== 1) yield `the occurrence of ${name} due ${due} (task ${taskId}) was finished ${times} times`
    }
  }
}
