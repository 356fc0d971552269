/** The recorded events that a command is about, read page by page: from a log, or from the server that has it. */
import { z } from 'zod'
import {
  type EventMetadata,
  type EventStore,
  type JsonObject,
  type Position,
  parsePosition,
  type RecordedEvent,
  START,
  STREAM_KINDS,
  streamPrefix,
} from '../events/index.ts'
import { auditEvent } from '../http/index.ts'
import { type Client, clientOf } from './client.ts'
import { CommandFailed } from './errors.ts'
import { appOfPlace, type LogFlags, type OpenLog, openLog, placeOfLog } from './log.ts'

const PAGE = 500

export interface Recorded {
  /** The log, or one stream of it, which may be named without its app. */
  pages(stream?: string): AsyncGenerator<readonly RecordedEvent[]>
  readonly readStream: EventStore['readStream']
  close(): Promise<void>
}

/** The same of a log that is opened for it. */
export async function* pages(flags: LogFlags, stream: string | undefined): AsyncGenerator<readonly RecordedEvent[]> {
  const recorded = await openRecorded(flags)
  try {
    yield* recorded.pages(stream)
  } finally {
    await recorded.close()
  }
}

/** @throws UsageError, CommandFailed, StoreError */
export async function openRecorded(flags: LogFlags): Promise<Recorded> {
  const { place } = placeOfLog(flags)
  if (flags.url !== undefined) return ofServer(flags.url, flags)
  const log = await openLog(flags)
  return {
    pages: (stream) =>
      stream === undefined
        ? pagesOfLog(log)
        : pagesOfStream(
            log,
            full(stream, () => appOfPlace(place, flags.app)),
          ),
    readStream: (...of) => log.readStream(...of),
    close: () => log.close(),
  }
}

async function* pagesOfLog(log: OpenLog): AsyncGenerator<readonly RecordedEvent[]> {
  const prefixes = log.app === undefined ? {} : { prefixes: [streamPrefix(log.app)] }
  for (let from: Position = START; ; ) {
    const page = await log.readAll({ from, limit: PAGE, ...prefixes })
    const last = page.at(-1)
    if (!last) return
    yield page
    from = last.position
  }
}

async function* pagesOfStream(log: OpenLog, stream: string): AsyncGenerator<readonly RecordedEvent[]> {
  for (let from = 0n; ; from += BigInt(PAGE)) {
    const page = await log.readStream(stream, { from, limit: PAGE })
    if (page.length > 0) yield page
    if (page.length < PAGE) return
  }
}

async function ofServer(url: string, flags: LogFlags): Promise<Recorded> {
  const client = clientOf(url, flags)
  const app = await client.app(flags.app)
  return {
    pages: (stream) => pagesOfServer(client, stream === undefined ? undefined : full(stream, () => app)),
    readStream: (name, { from = 0n, limit = PAGE } = {}) => pageOf(client, { stream: name, from: String(from) }, limit),
    close: async () => {},
  }
}

async function* pagesOfServer(client: Client, stream: string | undefined): AsyncGenerator<readonly RecordedEvent[]> {
  for (let from: Record<string, string> = stream === undefined ? { after: '-1' } : { stream, from: '0' }; ; ) {
    const events = await pageOf(client, from, PAGE)
    const last = events.at(-1)
    if (!last) return
    yield events
    if (events.length < PAGE) return
    from = stream === undefined ? { after: `${last.position}` } : { stream, from: `${last.revision + 1n}` }
  }
}

async function pageOf(client: Client, query: Record<string, string>, limit: number): Promise<RecordedEvent[]> {
  const search = new URLSearchParams({ ...query, limit: String(limit) })
  return (await client.get(`/api/v1/audit/events?${search}`, z.array(auditEvent))).map(recorded)
}

const WITHOUT_APP = new RegExp(`^(${STREAM_KINDS.join('|')})(-|$)`)

/** A dot alone does not say that the app stands before it: the key of a lock may have one, as an app be called task-2. */
function full(stream: string, app: () => string): string {
  if (stream.includes('.') && !WITHOUT_APP.test(stream)) return stream
  const prefix = streamPrefix(app())
  return stream.startsWith(prefix) ? stream : prefix + stream
}

function recorded({ recorded_at, revision, position, data, metadata, ...event }: z.output<typeof auditEvent>) {
  return {
    ...event,
    // As the server's log has them.
    data: data as JsonObject,
    metadata: metadata as unknown as EventMetadata,
    revision: BigInt(revision),
    position: parsePosition(position),
    recordedAt: Date.parse(recorded_at),
  }
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export function noEvents(stream: string): CommandFailed {
  // What other commands show of a job is its id.
  const meant = UUID.test(stream) ? `Of a job it is task-${stream}, of a conversation session-${stream}. Or it` : 'It'
  return new CommandFailed(`There is no stream ${stream} in the log. ${meant} may have been retired.`)
}
