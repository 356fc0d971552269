/**
 * What a log must be after any number of crashes, read directly from the file: the promises of the design, as functions
 * from the recorded events to the list of what breaks them.
 */
import {
  expectedHash,
  GENESIS,
  openSqliteReader,
  type RecordedEvent,
  START,
  streamPrefix,
  type TaskFact,
  TERMINAL_STATUSES,
} from '../../src/events/index.ts'
import { foldJob, type JobRecord } from '../../src/projections/index.ts'
import { eventually } from './server.ts'

const APP = 'work'
const TASK = streamPrefix(APP, 'task')
const LOCK = streamPrefix(APP, 'lock')
const SESSION = streamPrefix(APP, 'session')
const SCHEDULE = streamPrefix(APP, 'schedule')

const ENDINGS = ['TaskCompleted', 'TaskFailed', 'TaskTimedOut', 'TaskCancelled']
/** As the product says: after so many a task runs alone, and its next crash is its last. */
const CRASHES_BEFORE_ALONE = 2
const TURN_ENDINGS = ['TurnCompleted', 'TurnFailed', 'TurnInterrupted', 'TurnStopped']

interface Lock {
  holder: string | undefined
  queue: string[]
}

export interface History {
  readonly events: readonly RecordedEvent[]
  readonly streams: ReadonlyMap<string, readonly RecordedEvent[]>
  /** By id, each folded from its stream. */
  readonly jobs: ReadonlyMap<string, JobRecord>
  /** By stream. */
  readonly locks: ReadonlyMap<string, Lock>
}

/** The whole log as it is now; a server may be writing to it. */
export async function readHistory(directory: string): Promise<History> {
  const reader = openSqliteReader({ directory })
  try {
    const events: RecordedEvent[] = []
    for (let from = START; ; ) {
      const page = await reader.readAll({ from, limit: 5000 })
      events.push(...page)
      const last = page.at(-1)
      if (!last) return historyOf(events)
      from = last.position
    }
  } finally {
    reader.close()
  }
}

/** The log once everything in it has ended. @throws Error that names what has not */
export async function settled(directory: string, withinMs?: number): Promise<History> {
  let left: string[] = []
  const look = async () => {
    const history = await readHistory(directory)
    left = unsettled(history)
    return left.length === 0 ? history : undefined
  }
  try {
    return await eventually('everything to end', look, withinMs)
  } catch (cause) {
    throw new Error(`Still open: ${left.slice(0, 20).join('; ')}`, { cause })
  }
}

function historyOf(events: readonly RecordedEvent[]): History {
  const jobs = new Map<string, JobRecord>()
  const locks = new Map<string, Lock>()
  for (const event of events) {
    const id = keyIn(TASK, event)
    if (id !== undefined) {
      const job = foldJob(jobs.get(id), id, event)
      if (job) jobs.set(id, job)
    }
    if (event.stream.startsWith(LOCK)) locks.set(event.stream, lockAfter(locks.get(event.stream), event))
  }
  return { events, streams: Map.groupBy(events, ({ stream }) => stream), jobs, locks }
}

function lockAfter(lock: Lock = { holder: undefined, queue: [] }, { type, data }: RecordedEvent): Lock {
  const { taskId, to, replaces } = data
  switch (type) {
    case 'LockAcquired':
      return { ...lock, holder: String(taskId) }
    case 'LockQueued': {
      const displaced = Array.isArray(replaces) ? replaces : []
      return { ...lock, queue: [...lock.queue.filter((waiter) => !displaced.includes(waiter)), String(taskId)] }
    }
    case 'LockTakenOver':
      return { holder: String(to), queue: lock.queue.filter((waiter) => waiter !== to) }
    case 'LockReleased':
      return taskId === lock.holder
        ? { ...lock, holder: undefined }
        : { ...lock, queue: lock.queue.filter((waiter) => waiter !== taskId) }
    default:
      return lock
  }
}

/** What is still to come: nothing, once everything submitted has ended and let go. */
function unsettled({ jobs, locks, streams }: History): string[] {
  const left: string[] = []
  for (const job of jobs.values()) if (!isEnded(job.status)) left.push(`task ${job.id} (${job.name}) is ${job.status}`)
  for (const [stream, { holder, queue }] of locks) {
    if (holder !== undefined || queue.length > 0) left.push(`${stream} is held by ${holder}, awaited by [${queue}]`)
  }
  for (const [stream, events] of streams) {
    if (stream.startsWith(SESSION)) {
      const turns = count(events, ['TurnStarted'])
      if (turns < count(events, ['MessageReceived'])) left.push(`${stream} has a message without a turn`)
      if (turns > count(events, TURN_ENDINGS)) left.push(`${stream} has a turn without an end`)
    }
    if (stream.startsWith(SCHEDULE) && count(events, ['OccurrenceDue']) > count(events, ['OccurrenceFinished'])) {
      left.push(`${stream} has an occurrence that is not finished`)
    }
  }
  return left
}

/** What was begun in one stream and is missing in another: nothing, once a server is ready. */
export function halves({ locks, jobs, streams }: History): string[] {
  const broken: string[] = []
  for (const [stream, { holder, queue }] of locks) {
    for (const taskId of [holder, ...queue]) {
      if (taskId !== undefined && !jobs.has(taskId)) broken.push(`${stream} knows ${taskId}, which was never submitted`)
    }
  }
  for (const [stream, events] of streams) {
    if (!stream.startsWith(SCHEDULE)) continue
    for (const { type, data } of events) {
      if (type === 'OccurrenceDue' && !jobs.has(String(data.taskId))) broken.push(`${stream}: ${data.due} has no task`)
    }
  }
  return broken
}

/** Everything that no crash may break. */
export function violations(history: History): string[] {
  return [
    ...halves(history),
    ...brokenChains(history),
    ...brokenRuns(history),
    ...unfoundedFailures(history),
    ...brokenSolitude(history),
    ...brokenLocks(history),
    ...brokenTurns(history),
    ...brokenSchedules(history),
  ]
}

function brokenChains({ streams }: History): string[] {
  const broken: string[] = []
  for (const [stream, events] of streams) {
    if (stream.startsWith(streamPrefix(APP, 'node'))) continue
    let hash = GENESIS
    for (const [index, event] of events.entries()) {
      if (event.revision !== BigInt(index)) broken.push(`${stream} has revision ${event.revision} in place ${index}`)
      hash = expectedHash(hash, event)
      if (event.metadata.hash !== hash) broken.push(`${stream} revision ${index} breaks the hash chain`)
    }
  }
  return broken
}

/** One terminal event a run, attempts one after the other, and every fact of an attempt carries its claim. */
function brokenRuns({ streams }: History): string[] {
  const broken: string[] = []
  for (const [stream, events] of streams) {
    if (!stream.startsWith(TASK)) continue
    let claim: string | undefined
    let attempt = 0
    let ended = false
    for (const event of events) {
      const fact = event as RecordedEvent & TaskFact
      const at = `${stream} revision ${fact.revision} (${fact.type})`
      if (fact.type === 'TaskRequeued') {
        if (!ended) broken.push(`${at} before the run's end`)
        ended = false
      } else if (fact.type === 'TaskStarted') {
        if (ended) broken.push(`${at} after the run's end`)
        if (claim !== undefined) broken.push(`${at} while attempt ${attempt} runs`)
        if (fact.data.attempt !== attempt + 1) broken.push(`${at} is attempt ${fact.data.attempt} after ${attempt}`)
        attempt = fact.data.attempt
        claim = fact.id
      } else if (fact.type !== 'TaskWriteRefused' && 'claim' in fact.data && fact.data.claim !== claim) {
        broken.push(`${at} carries claim ${fact.data.claim}, the current one is ${claim}`)
      }
      if (ENDINGS.includes(fact.type)) {
        if (ended) broken.push(`${at} is a second end of the run`)
        ended = true
      }
      if (ended || fact.type === 'TaskRetryScheduled' || fact.type === 'TaskInterrupted') claim = undefined
    }
    if (count(events, ['TaskSubmitted', 'TaskScheduled']) !== 1) broken.push(`${stream} is not submitted exactly once`)
  }
  return broken
}

/**
 * A run fails for a reason that its own stream shows: its code threw once more than it may be retried, or would not be
 * retried; it had ended its process twice and then once more, alone; it was interrupted and must never run twice.
 */
function unfoundedFailures({ streams }: History): string[] {
  const broken: string[] = []
  for (const [stream, events] of streams) {
    if (!stream.startsWith(TASK)) continue
    let retries = 0
    let failures = 0
    let crashes = 0
    let alone = false
    let mayRunTwice = true
    for (const event of events) {
      const fact = event as RecordedEvent & TaskFact
      const at = `${stream} revision ${fact.revision} (${fact.type})`
      switch (fact.type) {
        case 'TaskSubmitted':
        case 'TaskScheduled':
          retries = fact.data.retries
          mayRunTwice = fact.data.onInterrupt !== 'fail'
          break
        case 'TaskRequeued':
          failures = 0
          crashes = 0
          break
        case 'TaskStarted':
          alone = fact.data.alone === true
          if (alone !== crashes >= CRASHES_BEFORE_ALONE) broken.push(`${at} alone: ${alone}, after ${crashes} crashes`)
          break
        case 'TaskInterrupted':
          if (fact.data.cause === 'crash') crashes++
          if (!mayRunTwice) broken.push(`${at}, though it must not run twice`)
          break
        case 'TaskRetryScheduled':
          if (++failures > retries) broken.push(`${at} is failure ${failures}, with ${retries} retries`)
          break
        case 'TaskFailed': {
          const { type, message, retryable } = fact.data.error
          const founded =
            type === 'Poisoned'
              ? crashes === CRASHES_BEFORE_ALONE && alone
              : type === 'TaskInterrupted'
                ? !mayRunTwice
                : failures === retries || !retryable
          if (!founded) {
            broken.push(`${at} with "${message}" after ${failures} failures of ${retries} and ${crashes} crashes`)
          }
          break
        }
        default:
      }
    }
  }
  return broken
}

/** Beside a task that runs alone nothing runs: whoever ends the process then is known. Of one node at a time. */
function brokenSolitude({ events }: History): string[] {
  const broken: string[] = []
  const running = new Set<string>()
  let alone: string | undefined
  for (const event of events) {
    const id = keyIn(TASK, event)
    if (id === undefined) continue
    if (event.type === 'TaskStarted') {
      if (event.data.alone === true && running.size > 0) broken.push(`task ${id} runs alone beside ${[...running]}`)
      if (alone !== undefined) broken.push(`task ${id} starts beside ${alone}, which runs alone`)
      if (event.data.alone === true) alone = id
      running.add(id)
    } else if ([...ENDINGS, 'TaskRetryScheduled', 'TaskInterrupted'].includes(event.type)) {
      running.delete(id)
      if (alone === id) alone = undefined
    }
  }
  return broken
}

/** Nobody runs without holding its lock, and no lock is passed on while its holder runs. */
function brokenLocks({ events, jobs }: History): string[] {
  const broken: string[] = []
  const holders = new Map<string, Lock>()
  const running = new Set<string>()
  for (const event of events) {
    const id = keyIn(TASK, event)
    if (event.stream.startsWith(LOCK)) {
      const before = holders.get(event.stream)
      const after = lockAfter(before, event)
      holders.set(event.stream, after)
      if (before?.holder !== undefined && before.holder !== after.holder && running.has(before.holder)) {
        broken.push(`${event.stream} was taken from ${before.holder}, which runs`)
      }
    } else if (id !== undefined) {
      if (event.type === 'TaskStarted') {
        running.add(id)
        const key = jobs.get(id)?.lockKey
        if (key !== undefined && ![...holders].some(([stream, { holder }]) => holder === id && isOf(stream, key))) {
          broken.push(`task ${id} runs without holding ${key}`)
        }
      } else if ([...ENDINGS, 'TaskRetryScheduled', 'TaskInterrupted'].includes(event.type)) running.delete(id)
    }
  }
  return broken
}

const isOf = (stream: string, key: string): boolean => decodeURIComponent(stream.slice(LOCK.length)) === key

/** Each message is answered by at most one turn, one turn at a time, each ending once; nothing is said twice. */
function brokenTurns({ streams }: History): string[] {
  const broken: string[] = []
  for (const [stream, events] of streams) {
    if (!stream.startsWith(SESSION)) continue
    let turn: string | undefined
    for (const { type, id, data, revision } of events) {
      if (type === 'TurnStarted') {
        if (turn !== undefined) broken.push(`${stream} revision ${revision}: a second turn at the same time`)
        turn = id
      } else if (TURN_ENDINGS.includes(type)) {
        if (data.claim !== turn) broken.push(`${stream} revision ${revision}: ends a turn that does not run`)
        turn = undefined
      }
    }
    for (const [type, field] of [
      ['TurnStarted', 'messageId'],
      ['MessageReceived', 'messageId'],
      ['Replied', 'replyId'],
    ] as const) {
      const ids = events.filter((event) => event.type === type).map(({ data }) => data[field])
      if (new Set(ids).size !== ids.length) broken.push(`${stream} has ${type} of the same ${field} twice`)
    }
  }
  return broken
}

/** Every due time is decided once, in order, and finished once. */
function brokenSchedules({ streams }: History): string[] {
  const broken: string[] = []
  for (const [stream, events] of streams) {
    if (!stream.startsWith(SCHEDULE)) continue
    const decided = events
      .filter(
        ({ type, data }) => type === 'OccurrenceSkipped' || (type === 'OccurrenceDue' && data.trigger !== 'manual'),
      )
      .map(({ data }) => String(data.due))
    for (const [index, due] of decided.entries()) {
      if (index > 0 && due <= String(decided[index - 1])) broken.push(`${stream}: ${due} was decided again or late`)
    }
    const finished = events.filter(({ type }) => type === 'OccurrenceFinished').map(({ data }) => data.taskId)
    if (new Set(finished).size !== finished.length) broken.push(`${stream} has an occurrence that finished twice`)
  }
  return broken
}

function isEnded(status: JobRecord['status']): boolean {
  return TERMINAL_STATUSES.some((terminal) => terminal === status)
}

function keyIn(prefix: string, { stream }: RecordedEvent): string | undefined {
  return stream.startsWith(prefix) ? stream.slice(prefix.length) : undefined
}

export function count(events: readonly RecordedEvent[], types: readonly string[]): number {
  return events.reduce((sum, { type }) => sum + (types.includes(type) ? 1 : 0), 0)
}
