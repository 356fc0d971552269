/**
 * What several nodes must leave in their log, whoever of them was killed or paused: functions from the recorded events,
 * in the order of the log, to what breaks the promise.
 */
import { ChainVerifier, parseStream, type RecordedEvent, type StreamKind } from '../../src/events/index.ts'

const RUN_ENDS = ['TaskCompleted', 'TaskFailed', 'TaskTimedOut', 'TaskCancelled']
const ATTEMPT_ENDS = [...RUN_ENDS, 'TaskRetryScheduled', 'TaskInterrupted']

export interface Log {
  readonly app: string
  readonly events: readonly RecordedEvent[]
}

export function violations(log: Log, limits: Readonly<Record<string, number>>): string[] {
  return [
    ...brokenChains(log),
    ...brokenRuns(log),
    ...brokenLocks(log),
    ...brokenLimits(log, limits),
    ...brokenTicks(log),
  ]
}

export function streamsOf({ app, events }: Log, kind: StreamKind): Map<string, RecordedEvent[]> {
  const streams = new Map<string, RecordedEvent[]>()
  for (const event of events) {
    const key = keyIn(app, kind, event)
    if (key === undefined) continue
    const known = streams.get(key)
    if (known) known.push(event)
    else streams.set(key, [event])
  }
  return streams
}

export function isRunEnd({ type }: RecordedEvent): boolean {
  return RUN_ENDS.includes(type)
}

export function isAttemptEnd({ type }: RecordedEvent): boolean {
  return ATTEMPT_ENDS.includes(type)
}

/** No event is missing, altered or out of its place. */
export function brokenChains({ events }: Log): string[] {
  const verifier = new ChainVerifier()
  const broken: string[] = []
  for (const event of events) {
    const verdict = verifier.check(event)
    if (!verdict.ok) broken.push(`chain: ${verdict.stream} revision ${verdict.revision} is ${verdict.reason}`)
  }
  return broken
}

/** Submitted once, one attempt at a time, one terminal event a run. */
export function brokenRuns(log: Log): string[] {
  const broken: string[] = []
  for (const [task, events] of streamsOf(log, 'task')) {
    const submits = events.filter(({ type }) => type === 'TaskSubmitted' || type === 'TaskScheduled').length
    if (submits !== 1) broken.push(`runs: task ${task} was submitted ${submits} times`)
    let claim: string | undefined
    let ended = false
    for (const event of events) {
      const at = `runs: task ${task} revision ${event.revision} (${event.type})`
      if (event.type === 'TaskStarted') {
        if (claim !== undefined) broken.push(`${at} while another attempt holds the claim`)
        if (ended) broken.push(`${at} after the end of the run`)
        claim = event.id
      } else if (event.type === 'TaskRequeued') ended = false
      else if (ATTEMPT_ENDS.includes(event.type)) {
        if (event.data.claim !== undefined && event.data.claim !== claim) broken.push(`${at} by a claim that was lost`)
        if (ended) broken.push(`${at} after the end of the run`)
        claim = undefined
        ended = RUN_ENDS.includes(event.type)
      }
    }
    if (!ended) broken.push(`runs: task ${task} has not ended`)
  }
  return broken
}

/** Between its first attempt and the end of its run a task has its lock for itself. */
export function brokenLocks({ app, events }: Log): string[] {
  const broken: string[] = []
  const lockOf = new Map<string, string>()
  /** By lock: the task whose run is under way. */
  const under = new Map<string, string>()
  /** By lock: who holds it as its stream says. */
  const holders = new Map<string, string>()
  for (const event of events) {
    const lock = keyIn(app, 'lock', event)
    const task = keyIn(app, 'task', event)
    if (lock !== undefined) {
      const { taskId, to } = event.data
      const next = event.type === 'LockAcquired' ? taskId : event.type === 'LockTakenOver' ? to : undefined
      const runs = under.get(lock)
      if (next !== undefined && runs !== undefined && runs !== next) {
        broken.push(`locks: ${lock} went to ${next} while ${runs} runs under it`)
      }
      if (event.type === 'LockAcquired' && holders.has(lock)) broken.push(`locks: ${lock} was acquired while held`)
      if (next !== undefined) holders.set(lock, String(next))
      else if (event.type === 'LockReleased' && holders.get(lock) === taskId) holders.delete(lock)
    }
    if (task === undefined) continue
    if (typeof event.data.lockKey === 'string') lockOf.set(task, encodeKey(event.data.lockKey))
    const key = lockOf.get(task)
    if (key === undefined) continue
    if (event.type === 'TaskStarted') {
      if (holders.get(key) !== task) broken.push(`locks: task ${task} runs under ${key}, held by ${holders.get(key)}`)
      under.set(key, task)
    } else if (RUN_ENDS.includes(event.type) && under.get(key) === task) under.delete(key)
  }
  return broken
}

/** Never more attempts of a task at the same time than its concurrency. */
export function brokenLimits({ app, events }: Log, limits: Readonly<Record<string, number>>): string[] {
  const broken: string[] = []
  const nameOf = new Map<string, string>()
  const running = new Map<string, Set<string>>()
  for (const event of events) {
    const task = keyIn(app, 'task', event)
    if (task === undefined) continue
    if (typeof event.data.name === 'string') nameOf.set(task, event.data.name)
    const name = nameOf.get(task) ?? ''
    const limit = limits[name]
    if (limit === undefined) continue
    const now = running.get(name) ?? new Set()
    running.set(name, now)
    if (event.type === 'TaskStarted') now.add(task)
    else if (ATTEMPT_ENDS.includes(event.type)) now.delete(task)
    if (now.size > limit) broken.push(`limits: ${now.size} of ${name} run at the same time, the limit is ${limit}`)
  }
  return broken
}

/** Of a schedule of one second: each due second between the first and the last is decided, once. */
export function brokenTicks(log: Log): string[] {
  const broken: string[] = []
  for (const [schedule, events] of streamsOf(log, 'schedule')) {
    const due = events
      .filter(({ type }) => type === 'OccurrenceDue' || type === 'OccurrenceSkipped')
      .map(({ data }) => Date.parse(String(data.due)))
    for (const [index, at] of due.entries()) {
      const step = index === 0 ? 1000 : at - (due[index - 1] ?? 0)
      if (step !== 1000)
        broken.push(`ticks: ${schedule} was decided for ${new Date(at).toISOString()} after ${step} ms`)
    }
  }
  return broken
}

function keyIn(app: string, kind: StreamKind, { stream }: RecordedEvent): string | undefined {
  const parsed = parseStream(app, stream)
  return parsed?.kind === kind ? parsed.key : undefined
}

/** As in a stream's name; the locks of the check are plain. */
function encodeKey(key: string): string {
  return encodeURIComponent(key).replaceAll('%3A', ':')
}
