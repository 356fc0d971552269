/**
 * Copies the history of an app from one log to another, so that the copy is the same history: ids, revisions, data,
 * metadata and the order over all streams.
 *
 *     comparing ──(the target has no more)──▶ copying ──▶ retiring ──▶ verifying
 *
 * What the target has already must be how the source begins. So a copy that was cut off goes on where it was when it is
 * made again, and one that is complete changes nothing. Appends are made one after the other, or many in one transaction:
 * two under way could change places, or one be kept without the one before it. Streams that were retired are not copied,
 * also where the source has not got rid of them yet; the target gets the tombstones.
 */

import { Buffer } from 'node:buffer'
import { setTimeout } from 'node:timers/promises'
import { StoreUnavailable, StreamDeleted, WrongExpectedRevision } from '../errors.ts'
import type { EventData, Position, RecordedEvent, Revision } from '../event.ts'
import type { EventStore } from '../store.ts'
import { CopyRefused } from './errors.ts'
import { history, isSame, retiredStreams } from './history.ts'

export interface Log {
  readonly store: EventStore
  /** How it is named to people: no password in it. */
  readonly called: string
}

export interface CopyProgress {
  readonly phase: 'comparing' | 'copying' | 'retiring' | 'verifying'
  /** Events so far, of the whole history; streams, where these are retired. */
  readonly events: number
  /** How far in the phase, 0 to 1. */
  readonly part: number
}

export interface CopyOptions {
  readonly from: Log
  readonly to: Log
  readonly app: string
  /** The source's last event to be copied. Default: its head when the copy begins. */
  readonly upTo?: Position
  /**
   * Events handed to the target at once. More than one append a call only for a store that records what it is handed in
   * one turn of the event loop in one transaction, in order (the embedded ones). Default: one append.
   */
  readonly together?: number
  /** Awaited before the first append; not called when the target lacks nothing. */
  readonly onBegin?: () => Promise<void>
  readonly onProgress?: (progress: CopyProgress) => void
  /** Waits before an append is repeated that had no answer. Default: a timer. */
  readonly pause?: (ms: number) => Promise<void>
}

export interface Copied {
  /** Events of the app that both logs now have. */
  readonly events: number
  /** How many of them this copy appended. */
  readonly appended: number
  /** Streams that were retired: neither log has them. */
  readonly retired: number
  /** The source's last event that was looked at. */
  readonly upTo: Position
}

/** One append: neighbours in the log that are of one stream. EventStoreDB takes 1 MiB. */
const LARGEST_APPEND_EVENTS = 200
const LARGEST_APPEND_BYTES = 300 * 1024
/** What is handed over at once: less than what the embedded store records in one transaction. */
const LARGEST_BURST_BYTES = 4 * 1024 * 1024
/** A server that restarts is back within this: pauses of 0.1 s, 0.2 s and so on, up to 5 s each. */
const ATTEMPTS = 12
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5000
const TELL_EVERY = 256

/**
 * @throws CopyRefused when the target has other events of the app, or gets some meanwhile; ChainBroken when either log is
 * not as it was appended; StoreUnavailable; EventTooLarge
 */
export async function copyHistory(options: CopyOptions): Promise<Copied> {
  const { from, to, app } = options
  const upTo = options.upTo ?? (await from.store.head())
  const without = await retiredStreams(from.store, app, upTo)
  const source = history({ store: from.store, called: from.called, app, upTo, without })
  const known = await compare(source, options, { upTo, without, phase: 'comparing' })
  let appended = 0
  if (known.next) {
    await options.onBegin?.()
    appended = await append(known.next, source, options, known.events, upTo)
  }
  await retire(without, options)
  const again = history({ store: from.store, called: from.called, app, upTo, without })
  const { events, next } = await compare(again, options, { upTo, without, phase: 'verifying' })
  if (next) {
    throw new CopyRefused(
      'other-events',
      `${to.called} does not have revision ${next.revision} of ${next.stream}, which was copied to it. Do not use it.`,
    )
  }
  return { events, appended, retired: without.size, upTo }
}

interface Comparison {
  readonly upTo: Position
  readonly without: ReadonlySet<string>
  readonly phase: 'comparing' | 'verifying'
}

/** Walks both logs until the target ends. @returns how many events are the same, and the first that the target lacks */
async function compare(
  source: AsyncGenerator<RecordedEvent, void, undefined>,
  { to, app, onProgress }: CopyOptions,
  { upTo, without, phase }: Comparison,
): Promise<{ events: number; next: RecordedEvent | undefined }> {
  const end = await to.store.head()
  const target = history({ store: to.store, called: to.called, app, upTo: end, without })
  for (let events = 0; ; events++) {
    const [theirs, ours] = await Promise.all([target.next(), source.next()])
    if (theirs.done) return { events, next: ours.done ? undefined : ours.value }
    if (ours.done || !isSame(ours.value, theirs.value)) throw differs(to.called, theirs.value)
    if (events % TELL_EVERY === 0) onProgress?.({ phase, events, part: part(ours.value.position, upTo) })
  }
}

/** Appends what the target lacks, in order. @returns how many events */
async function append(
  first: RecordedEvent,
  rest: AsyncGenerator<RecordedEvent, void, undefined>,
  options: CopyOptions,
  known: number,
  upTo: Position,
): Promise<number> {
  const { together = 1, onProgress } = options
  let count = 0
  let burst = new Burst()
  const send = async (): Promise<void> => {
    await record(burst.runs, options)
    count += burst.events
    const last = burst.runs.at(-1)?.last
    burst = new Burst()
    if (last) onProgress?.({ phase: 'copying', events: known + count, part: part(last.position, upTo) })
  }
  burst.add(first)
  for await (const event of rest) {
    if (!burst.continues(event) && (burst.events >= together || burst.bytes >= LARGEST_BURST_BYTES)) await send()
    burst.add(event)
  }
  await send()
  return count
}

/** Puts the tombstones, which nobody takes away: none is left out, and none is too many. */
async function retire(streams: ReadonlySet<string>, { to, onProgress }: CopyOptions): Promise<void> {
  let events = 0
  for (const stream of streams) {
    // A log that was moved from here and comes back may have been retired in between.
    const [last] = await to.store.readStream(stream, { direction: 'backwards', limit: 1 })
    await to.store.deleteStream(stream, last?.revision ?? 'no-stream')
    onProgress?.({ phase: 'retiring', events: ++events, part: events / streams.size })
  }
}

interface Run {
  readonly stream: string
  readonly first: RecordedEvent
  last: RecordedEvent
  readonly events: EventData[]
  bytes: number
}

/** Neighbours in the log, as the appends that they become. */
class Burst {
  readonly runs: Run[] = []
  events = 0
  bytes = 0

  /** Whether the event belongs to the append before it. */
  continues({ stream }: RecordedEvent): boolean {
    const run = this.runs.at(-1)
    return run?.stream === stream && run.events.length < LARGEST_APPEND_EVENTS && run.bytes < LARGEST_APPEND_BYTES
  }

  add(event: RecordedEvent): void {
    const { id, type, data, metadata } = event
    // What comes out of JSON goes into it again letter by letter: nothing of what the hash covers changes.
    const json = { data: JSON.stringify(data), metadata: JSON.stringify(metadata) }
    const bytes = Buffer.byteLength(json.data) + Buffer.byteLength(json.metadata)
    let run = this.runs.at(-1)
    if (!run || !this.continues(event)) {
      run = { stream: event.stream, first: event, last: event, events: [], bytes: 0 }
      this.runs.push(run)
    }
    run.events.push({ id, type, data, metadata, json })
    run.last = event
    run.bytes += bytes
    this.events++
    this.bytes += bytes
  }
}

/** Records all of it, however often the target does not answer: the same ids at the same revisions are the same append. */
async function record(runs: readonly Run[], { to, pause = (ms) => setTimeout(ms) }: CopyOptions): Promise<void> {
  for (let attempt = 1, ms = FIRST_PAUSE_MS; ; attempt++, ms = Math.min(ms * 2, LONGEST_PAUSE_MS)) {
    const outcomes = await Promise.allSettled(runs.map((run) => recordRun(run, to)))
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (!failed) return
    const { reason } = failed
    if (!(reason instanceof StoreUnavailable) || !reason.retryable || attempt === ATTEMPTS) throw reason
    await pause(ms)
  }
}

async function recordRun({ stream, first, last, events }: Run, { store, called }: Log): Promise<void> {
  const expected = first.revision === 0n ? 'no-stream' : first.revision - 1n
  let revision: Revision
  try {
    revision = (await store.append(stream, expected, events)).revision
  } catch (error) {
    throw error instanceof WrongExpectedRevision || error instanceof StreamDeleted ? taken(called, stream) : error
  }
  // A server remembers a stream that was deleted, and goes on counting.
  if (revision !== last.revision) throw taken(called, stream)
}

function part(position: Position, upTo: Position): number {
  return upTo <= 0n ? 1 : Number(position) / Number(upTo)
}

function differs(called: string, { stream, revision, position }: RecordedEvent): CopyRefused {
  return new CopyRefused(
    'other-events',
    `${called} has other events of the app: revision ${revision} of ${stream} (position ${position}) is not what the ` +
      'source has there. Choose a target without events of the app, or delete its streams first.',
  )
}

function taken(called: string, stream: string): CopyRefused {
  return new CopyRefused(
    'other-events',
    `Somebody else has written to ${stream} on ${called}. Stop what uses the target, and choose one without events of the app.`,
  )
}
