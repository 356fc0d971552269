/** What every task's history holds to. */
import type { RecordedEvent, Submission, TaskFact } from '../../../src/events/index.ts'
import { at, type History, type Invariant, streamsOf } from '../history.ts'

const TERMINAL = ['TaskCompleted', 'TaskFailed', 'TaskTimedOut', 'TaskCancelled']

export const taskInvariants: readonly Invariant[] = [
  { name: 'one terminal event per run', check: oneEndPerRun },
  { name: 'no work is lost or stuck', check: nothingLost },
  { name: 'every fact of an attempt carries the current claim', check: claimed },
  { name: 'a task is retried as often as it may be, and no more', check: retried },
  { name: 'a cancelled task does not run again by itself', check: staysCancelled },
  { name: 'no attempt starts before it is due', check: notBeforeDue },
  { name: 'onInterrupt fail never runs twice', check: runsOnce },
  { name: 'an execution has a claim of its own', check: executions },
]

function* oneEndPerRun({ events }: History): Iterable<string> {
  for (const [id, stream] of streamsOf(events, 'task')) {
    let ended = false
    for (const { type } of stream) {
      if (type === 'TaskRequeued') {
        if (!ended) yield `task ${id} was requeued before its end`
        ended = false
      } else if (TERMINAL.includes(type)) {
        if (ended) yield `task ${id} ended twice in a run`
        ended = true
      }
    }
  }
}

function* nothingLost({ events, acknowledged }: History): Iterable<string> {
  const tasks = streamsOf(events, 'task')
  for (const { command, id, answer } of acknowledged) {
    if (command !== 'submit') continue
    const { taskId } = answer as { readonly taskId: string }
    if (!tasks.has(taskId)) yield `task ${taskId} was acknowledged and is not recorded (${id})`
  }
  for (const [id, stream] of tasks) {
    const last = stream.findLast(({ type }) => LIFE.includes(type))
    if (last && !TERMINAL.includes(last.type)) yield `task ${id} is stuck: its last event is ${last.type}`
  }
}

/** Events that say in which state a task is. */
const LIFE = [
  ...TERMINAL,
  'TaskSubmitted',
  'TaskScheduled',
  'TaskStarted',
  'TaskRetryScheduled',
  'TaskInterrupted',
  'TaskRequeued',
]
/** What may only be recorded by the attempt that holds the claim. */
const OF_AN_ATTEMPT = [
  'TaskProgressed',
  'TaskLogged',
  'TaskDeadlineExtended',
  'TaskRetryScheduled',
  'TaskInterrupted',
  'TaskCompleted',
  'TaskTimedOut',
  'TaskCancelRequested',
]
const ENDS_ATTEMPT = [...TERMINAL, 'TaskRetryScheduled', 'TaskInterrupted']

function* claimed({ events }: History): Iterable<string> {
  for (const [id, stream] of streamsOf(events, 'task')) {
    let claim: string | undefined
    let attempt = 0
    for (const event of stream) {
      const where = `${event.type} of task ${id} at ${event.revision}`
      if (event.type === 'TaskStarted') {
        if (claim !== undefined) yield `${where} while another attempt holds the claim`
        if (event.data.attempt !== attempt + 1) yield `${where} is attempt ${event.data.attempt}, after ${attempt}`
        attempt++
        claim = event.id
        continue
      }
      const named = event.data.claim
      if (OF_AN_ATTEMPT.includes(event.type) && (claim === undefined || named !== claim)) {
        yield `${where} carries the claim ${named}, the current one is ${claim}`
      }
      if (!ENDS_ATTEMPT.includes(event.type)) continue
      if (claim !== undefined && named !== claim) yield `${where} ends an attempt whose claim it does not carry`
      claim = undefined
    }
  }
}

function* retried({ events }: History): Iterable<string> {
  for (const [id, stream] of streamsOf(events, 'task')) {
    const submission = submissionOf(stream)
    let failures = 0
    for (const event of stream) {
      const fact = event as unknown as TaskFact
      if (fact.type === 'TaskRequeued') failures = 0
      else if (fact.type === 'TaskRetryScheduled') {
        failures++
        if (failures > submission.retries) yield `task ${id} was retried ${failures} times of ${submission.retries}`
      } else if (fact.type === 'TaskFailed' && fact.data.claim !== undefined && fact.data.error.retryable) {
        if (failures !== submission.retries) {
          yield `task ${id} failed for good after ${failures} of ${submission.retries} retries`
        }
      }
    }
  }
}

function* staysCancelled({ events }: History): Iterable<string> {
  for (const [id, stream] of streamsOf(events, 'task')) {
    let asked = false
    for (const { type, metadata, revision } of stream) {
      if (type === 'TaskRequeued') {
        if (asked && metadata.commandId === undefined && !metadata.by.startsWith('node:')) {
          yield `task ${id} was requeued by ${metadata.by} after its cancel`
        }
        asked = false
      } else if (type === 'TaskCancelRequested' || type === 'TaskCancelled') asked = true
      else if (asked && (type === 'TaskStarted' || type === 'TaskRetryScheduled' || type === 'TaskInterrupted')) {
        yield `${type} at ${revision} of task ${id}, which was cancelled`
      }
    }
  }
}

function* notBeforeDue({ events }: History): Iterable<string> {
  for (const [id, stream] of streamsOf(events, 'task')) {
    let runAt = 0
    for (const event of stream) {
      if (typeof event.data.runAt === 'string') runAt = Date.parse(event.data.runAt)
      else if (event.type === 'TaskRequeued') runAt = 0
      else if (event.type === 'TaskStarted' && at(event) < runAt) {
        yield `task ${id} started ${runAt - at(event)} ms before it was due`
      }
    }
  }
}

function* runsOnce({ events, executions }: History): Iterable<string> {
  for (const [id, stream] of streamsOf(events, 'task')) {
    if (submissionOf(stream).onInterrupt !== 'fail') continue
    const runs = 1 + stream.filter(({ type }) => type === 'TaskRequeued').length
    const executed = executions.filter(({ taskId }) => taskId === id).length
    if (executed > runs) yield `task ${id} was executed ${executed} times in ${runs} runs`
  }
}

function* executions({ events, executions }: History): Iterable<string> {
  const tasks = streamsOf(events, 'task')
  const seen = new Set<string>()
  for (const { taskId, attempt, process } of executions) {
    // Occurrences do not say which attempt they are.
    if (attempt === 0) continue
    const key = `${taskId} ${attempt}`
    if (seen.has(key)) yield `attempt ${attempt} of task ${taskId} was executed twice`
    seen.add(key)
    const started = tasks.get(taskId)?.find(({ type, data }) => type === 'TaskStarted' && data.attempt === attempt)
    if (started?.data.node !== process) yield `attempt ${attempt} of task ${taskId} ran on ${process} without a claim`
  }
}

export function submissionOf(stream: readonly RecordedEvent[]): Submission {
  const [first] = stream
  return first?.data as unknown as Submission
}
