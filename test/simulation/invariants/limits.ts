/** What limits, expiry, suspicion and aftermath hold to. */
import type { RecordedEvent, Submission, TaskFact } from '../../../src/events/index.ts'
import { parseStream } from '../../../src/events/index.ts'
import { at, type History, type Invariant, streamsOf } from '../history.ts'
import { APP, LIMITS } from '../simulated-app.ts'
import { submissionOf } from './tasks.ts'

export const limitInvariants: readonly Invariant[] = [
  { name: 'no more run at the same time than may', check: concurrency },
  { name: 'no more start in a window of time than may', check: rate },
  { name: 'a permit is returned once', check: permits },
  { name: 'only what waited too long expires', check: expiry },
  { name: 'a suspect runs alone, and only alone is it found guilty', check: suspects },
  { name: 'each run that failed is followed by its onFailure once', check: mourned },
]

const ENDS_ATTEMPT = [
  'TaskCompleted',
  'TaskFailed',
  'TaskTimedOut',
  'TaskCancelled',
  'TaskRetryScheduled',
  'TaskInterrupted',
]

interface Running {
  readonly submission: Submission
  readonly node: string
  readonly alone: boolean
}

/** Goes through the log with the attempts that run: before each start, and what starts. */
function* starts(events: readonly RecordedEvent[]): Generator<{ id: string; starting: Running; others: Running[] }> {
  const submissions = new Map<string, Submission>()
  const running = new Map<string, Running>()
  for (const event of events) {
    const stream = parseStream(APP, event.stream)
    if (stream?.kind !== 'task') continue
    const fact = event as unknown as TaskFact
    if (fact.type === 'TaskSubmitted' || fact.type === 'TaskScheduled') submissions.set(stream.key, fact.data)
    else if (ENDS_ATTEMPT.includes(fact.type)) running.delete(stream.key)
    else if (fact.type === 'TaskStarted') {
      const submission = submissions.get(stream.key)
      if (!submission) continue
      const starting = { submission, node: fact.data.node, alone: fact.data.alone === true }
      yield { id: stream.key, starting, others: [...running.values()] }
      running.set(stream.key, starting)
    }
  }
}

function* concurrency({ events }: History): Iterable<string> {
  for (const { id, starting, others } of starts(events)) {
    const { name, params } = starting.submission
    const { limit = Number.POSITIVE_INFINITY, perKey = Number.POSITIVE_INFINITY } = LIMITS[name] ?? {}
    const same = others.filter(({ submission }) => submission.name === name)
    if (same.length >= limit) yield `task ${id} started while ${same.length} of ${name} ran`
    const sameKey = same.filter(({ submission }) => submission.params.key === params.key)
    if (sameKey.length >= perKey) yield `task ${id} started while ${sameKey.length} of key ${params.key} ran`
  }
}

function* rate({ events }: History): Iterable<string> {
  const tasks = streamsOf(events, 'task')
  for (const [key, stream] of streamsOf(events, 'limit')) {
    const taken = stream.filter(({ type }) => type === 'PermitTaken')
    const task = tasks.get(String(taken[0]?.data.taskId))
    const { starts: limit, windowMs } = (task && LIMITS[submissionOf(task).name]) ?? {}
    if (limit === undefined || windowMs === undefined) continue
    for (const [index, permit] of taken.entries()) {
      const before = taken[index - limit]
      if (before && at(permit) - at(before) < windowMs) {
        yield `permit ${permit.revision} of ${key} was taken ${at(permit) - at(before)} ms after ${before.revision}`
      }
    }
  }
}

function* permits({ events }: History): Iterable<string> {
  for (const [key, stream] of streamsOf(events, 'limit')) {
    const out = new Set<unknown>()
    for (const { type, data } of stream) {
      if (type === 'PermitTaken') out.add(data.claim)
      else if (!out.delete(data.claim)) yield `a permit of ${key} for ${data.claim} was returned that was not out`
    }
  }
}

function* expiry({ events }: History): Iterable<string> {
  for (const [id, stream] of streamsOf(events, 'task')) {
    const { expiresAt } = submissionOf(stream)
    // A run that a person asked for again is wanted, however late: only the first one expires.
    const requeuedAt = stream.findIndex(({ type }) => type === 'TaskRequeued')
    const firstRun = requeuedAt < 0 ? stream : stream.slice(0, requeuedAt)
    const started = firstRun.find(({ type }) => type === 'TaskStarted')
    for (const [index, event] of stream.entries()) {
      const fact = event as unknown as TaskFact
      if (fact.type !== 'TaskFailed' || fact.data.error.type !== 'Expired') continue
      if (expiresAt === undefined) yield `task ${id} expired, and never should`
      else if (at(event) < Date.parse(expiresAt)) yield `task ${id} expired before its time`
      if (fact.data.claim !== undefined) yield `task ${id} expired while it ran`
      if (index >= firstRun.length) yield `task ${id} expired in a run that was asked for again`
    }
    if (started && expiresAt !== undefined && at(started) > Date.parse(expiresAt)) {
      yield `task ${id} started first at ${started.metadata.at}, it expired at ${expiresAt}`
    }
  }
}

function* suspects({ events }: History): Iterable<string> {
  for (const { id, starting, others } of starts(events)) {
    const here = others.filter(({ node }) => node === starting.node)
    if (starting.alone && here.length > 0) yield `task ${id} started as alone beside ${here.length} others`
    if (here.some(({ alone }) => alone)) yield `task ${id} started beside one that was to run alone`
  }
  for (const [id, stream] of streamsOf(events, 'task')) {
    let crashes = 0
    let alone = false
    for (const event of stream) {
      const fact = event as unknown as TaskFact
      if (fact.type === 'TaskRequeued') crashes = 0
      else if (fact.type === 'TaskInterrupted' && fact.data.cause === 'crash') crashes++
      else if (fact.type === 'TaskStarted') {
        alone = fact.data.alone === true
        if (alone !== crashes >= 2) yield `task ${id} started ${alone ? '' : 'not '}alone after ${crashes} crashes`
      } else if (fact.type === 'TaskFailed' && fact.data.error.type === 'Poisoned' && !alone) {
        yield `task ${id} was found guilty of a crash at which it was not alone`
      }
    }
  }
}

function* mourned({ events }: History): Iterable<string> {
  const followers = new Map<string, number>()
  let failures = 0
  let aftermaths = 0
  for (const [id, stream] of streamsOf(events, 'task')) {
    const { name } = submissionOf(stream)
    if (name === 'mourned.on_failure') aftermaths++
    if (name !== 'mourned') continue
    const failed = stream.filter(({ type }) => type === 'TaskFailed' || type === 'TaskTimedOut').length
    failures += failed
    followers.set(id, failed)
  }
  if (failures !== aftermaths) {
    yield `${failures} runs failed and ${aftermaths} were followed: ${JSON.stringify([...followers])}`
  }
}
