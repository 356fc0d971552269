/**
 * A server that speaks the public protocol of EventStoreDB over a log in memory, for the faults that a real one shows only
 * by luck. It does what version 23.10 was seen to do: same ids at the same revision are one append, `$all` is inclusive
 * forwards and exclusive backwards, a subscriber that falls behind is dropped. A tombstone is an event of its own in
 * `$all`, of a stream that from then on answers everything with "deleted", and so does its metadata if it had none.
 */
import gossipRpc, { type IGossipServer } from '@eventstore/db-client/generated/gossip_grpc_pb.js'
import gossip from '@eventstore/db-client/generated/gossip_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import status from '@eventstore/db-client/generated/status_pb.js'
import rpc, { type IStreamsServer } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import streams, {
  type BatchAppendReq,
  type BatchAppendResp,
  type ReadReq,
  type ReadResp,
  type TombstoneReq,
  type TombstoneResp,
} from '@eventstore/db-client/generated/streams_pb.js'
import grpc, {
  type Metadata,
  type ServerDuplexStream,
  type ServerErrorResponse,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js'
import any from 'google-protobuf/google/protobuf/any_pb.js'
import empty from 'google-protobuf/google/protobuf/empty_pb.js'

interface Entry {
  readonly stream: string
  readonly revision: string
  readonly id: string
  readonly type: string
  readonly contentType: string
  readonly data: Uint8Array
  readonly metadata: Uint8Array
  readonly position: number
  readonly created: number
}

interface StreamState {
  readonly entries: Entry[]
  deleted: boolean
  maxCount: number
}

export interface Written {
  readonly stream: string
  readonly expected: number | 'no-stream' | 'any'
  readonly events: readonly Omit<Entry, 'stream' | 'revision' | 'position' | 'created'>[]
}

type Refused = { readonly actual: number | 'no-stream' | 'deleted' }
type Outcome = { readonly last: Entry } | Refused

/** What outlives a server: give the same log to another, and that is a restart or the other node of a cluster. */
export class Log {
  readonly all: Entry[] = []
  readonly streams = new Map<string, StreamState>()
  readonly #listeners = new Set<() => void>()

  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  state(stream: string): StreamState {
    const found = this.streams.get(stream)
    if (found) return found
    const made = { entries: [], deleted: false, maxCount: Number.POSITIVE_INFINITY }
    this.streams.set(stream, made)
    return made
  }

  append({ stream, expected, events }: Written): Outcome {
    const state = this.state(stream)
    const { entries } = state
    const isMetadataOfDeleted = stream.startsWith('$$') && this.streams.get(stream.slice(2))?.deleted
    if (state.deleted || (isMetadataOfDeleted && entries.length === 0)) return { actual: 'deleted' }
    const isAt = (index: number) => events.every((event, i) => entries[index + i]?.id === event.id)
    const known =
      expected === 'any' ? entries.findIndex((entry) => entry.id === events[0]?.id) : revisionAfter(expected)
    const last = entries[known + events.length - 1]
    if (known >= 0 && known < entries.length && last && isAt(known)) return { last }
    const free = expected === 'any' || known === entries.length
    if (!free) return { actual: entries.length === 0 ? 'no-stream' : entries.length - 1 }
    let newest: Entry | undefined
    for (const event of events) {
      newest = this.#record(stream, `${entries.length}`, event)
      entries.push(newest)
    }
    if (!newest) return { actual: entries.length - 1 }
    if (stream.startsWith('$$')) this.#setMetadata(stream.slice(2), newest)
    for (const listener of this.#listeners) listener()
    return { last: newest }
  }

  /** Something that is not of the port: the statistics of the server, an event of another app without JSON. */
  disturb(stream: string, contentType = 'application/json'): void {
    const bytes = Buffer.from('{}')
    const event = { id: crypto.randomUUID(), type: '$stats', contentType, data: bytes, metadata: bytes }
    this.append({ stream, expected: 'any', events: [event] })
  }

  tombstone(stream: string, expected: number | 'no-stream'): Refused | undefined {
    const state = this.state(stream)
    if (state.deleted) return { actual: 'deleted' }
    if (revisionAfter(expected) !== state.entries.length) {
      return { actual: state.entries.length === 0 ? 'no-stream' : state.entries.length - 1 }
    }
    state.deleted = true
    const nothing = new Uint8Array()
    const event = { id: crypto.randomUUID(), type: '$streamDeleted', contentType: 'application/octet-stream' }
    this.#record(stream, LAST_REVISION, { ...event, data: nothing, metadata: nothing })
    for (const listener of this.#listeners) listener()
    return undefined
  }

  /** What a scavenge takes: the events of deleted streams, and what is beyond a cap. Tombstones stay. */
  scavenge(): void {
    for (const { entries, deleted, maxCount } of this.streams.values()) {
      const gone = new Set(deleted ? entries : entries.slice(0, Math.max(entries.length - maxCount, 0)))
      for (let i = this.all.length - 1; i >= 0; i--) {
        const entry = this.all[i]
        if (entry && gone.has(entry)) this.all.splice(i, 1)
      }
    }
  }

  #record(stream: string, revision: string, event: Written['events'][number]): Entry {
    const position = (this.all.at(-1)?.position ?? 300) + 100 + event.data.length
    const entry = { ...event, stream, revision, position, created: Date.now() }
    this.all.push(entry)
    return entry
  }

  #setMetadata(stream: string, { data }: Entry): void {
    const { $maxCount } = JSON.parse(Buffer.from(data).toString())
    if (typeof $maxCount === 'number') this.state(stream).maxCount = $maxCount
  }
}

/** Of the tombstone's own event, as the server numbers it: the largest there is. */
const LAST_REVISION = '9223372036854775807'

function revisionAfter(expected: number | 'no-stream'): number {
  return expected === 'no-stream' ? 0 : expected + 1
}

export type Call = 'append' | 'read' | 'subscribe' | 'tombstone'

/** What goes wrong with a call. `lost`: it is done, and the connection breaks before the answer. */
export type Fault = 'unavailable' | 'not-leader' | 'denied' | 'timeout' | 'deadline' | 'hang' | 'lost' | 'busy'

export interface ServerOptions {
  readonly log: Log
  /** Asked at each call; undefined when it goes well. */
  readonly fault?: (call: Call, stream: string) => Fault | undefined
  /** Where the leader is, for 'not-leader'. */
  readonly leader?: () => number
  readonly maxAppendSize?: number
  readonly port?: number
}

/** Live events that wait for one subscriber before it is dropped. */
const SLOWEST = 32

export class FakeServer {
  readonly port: number
  /** The position each subscription so far began after. */
  readonly subscribedFrom: number[] = []
  /** Subscriptions that were dropped because their consumer was too slow. */
  dropped = 0
  appends = 0
  readonly #server: grpc.Server

  private constructor(server: grpc.Server, port: number) {
    this.#server = server
    this.port = port
  }

  get url(): string {
    return `esdb://127.0.0.1:${this.port}?tls=false`
  }

  static async start(options: ServerOptions): Promise<FakeServer> {
    const server = new grpc.Server()
    let running: FakeServer | undefined
    const self = () => {
      if (!running) throw new Error('The server was called before it had started')
      return running
    }
    const service: Pick<IStreamsServer, 'read' | 'batchAppend' | 'tombstone'> = {
      batchAppend: (call) => self().#batchAppend(options, call),
      read: (call) => void self().#read(options, call),
      tombstone: (call, done) => self().#tombstone(options, call, done),
    }
    const refused = (_: unknown, done?: sendUnaryData<never>) => done?.({ code: grpc.status.UNIMPLEMENTED })
    server.addService(rpc.StreamsService, { ...service, append: refused, delete: refused })
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${options.port ?? 0}`, grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      )
    })
    const members: IGossipServer = {
      read(_, done) {
        const member = new gossip.MemberInfo()
        member.setInstanceId(new shared.UUID().setString(crypto.randomUUID()))
        member.setState(gossip.MemberInfo.VNodeState.LEADER).setIsAlive(true)
        const endpoint = new gossip.EndPoint().setAddress('127.0.0.1').setPort(options.leader?.() ?? port)
        member.setHttpEndPoint(endpoint)
        done(null, new gossip.ClusterInfo().setMembersList([member]))
      },
    }
    server.addService(gossipRpc.GossipService, members)
    running = new FakeServer(server, port)
    return running
  }

  /** Ends it at once, with everything under way. */
  kill(): void {
    this.#server.forceShutdown()
  }

  #batchAppend(options: ServerOptions, call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>): void {
    call.on('end', () => call.end())
    call.on('error', () => {})
    call.on('data', (request: BatchAppendReq) => {
      this.appends++
      const written = readAppend(request)
      const answer = new streams.BatchAppendResp().setCorrelationId(request.getCorrelationId())
      const failed = (name: string, facts: Uint8Array = new Uint8Array(), message = '') => {
        const details = new any.Any()
        details.pack(facts, name)
        call.write(answer.setError(new status.Status().setMessage(message).setDetails(details)))
      }
      const fault = options.fault?.('append', written.stream)
      switch (fault) {
        case 'hang':
          return
        case 'timeout':
          return failed('event_store.client.Timeout')
        case 'denied':
          return failed('event_store.client.AccessDenied')
        case 'busy':
          return failed('google.protobuf.Empty', undefined, 'Server Is Busy')
        case 'unavailable':
        case 'deadline':
        case 'not-leader':
          return void call.emit('error', toStatus(fault, options))
      }
      const size = written.events.reduce((sum, event) => sum + event.data.length + event.metadata.length, 0)
      const limit = options.maxAppendSize ?? 1024 * 1024
      if (size > limit) {
        const facts = new shared.MaximumAppendSizeExceeded().setMaxappendsize(limit)
        return failed('event_store.client.MaximumAppendSizeExceeded', facts.serializeBinary())
      }
      const outcome = options.log.append(written)
      if (fault === 'lost') return void call.emit('error', toStatus('unavailable', options))
      if ('actual' in outcome && outcome.actual === 'deleted') {
        const identifier = new shared.StreamIdentifier().setStreamName(Buffer.from(written.stream))
        const facts = new shared.StreamDeleted().setStreamIdentifier(identifier)
        return failed('event_store.client.StreamDeleted', facts.serializeBinary())
      }
      if ('actual' in outcome) {
        const facts = new shared.WrongExpectedVersion()
        if (outcome.actual === 'no-stream') facts.setCurrentNoStream(new empty.Empty())
        else facts.setCurrentStreamRevision(`${outcome.actual}`)
        return failed('event_store.client.WrongExpectedVersion', facts.serializeBinary())
      }
      const { revision, position } = outcome.last
      const at = new shared.AllStreamPosition().setCommitPosition(`${position}`).setPreparePosition(`${position}`)
      call.write(
        answer.setSuccess(new streams.BatchAppendResp.Success().setCurrentRevision(`${revision}`).setPosition(at)),
      )
    })
  }

  async #read(options: ServerOptions, call: ServerWritableStream<ReadReq, ReadResp>): Promise<void> {
    const { log } = options
    const request = call.request.getOptions()
    const stream = Buffer.from(request?.getStream()?.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString()
    const isSubscription = request?.hasSubscription() === true
    const fault = options.fault?.(isSubscription ? 'subscribe' : 'read', stream)
    if (fault === 'hang') return
    if (fault) return void call.emit('error', toStatus(fault, options))
    if (!request) return
    if (isSubscription) return this.#subscription(log, request, call)
    if (request.hasStream() && log.streams.get(stream)?.deleted) return void call.emit('error', streamDeleted(stream))
    const forwards = request.getReadDirection() === streams.ReadReq.Options.ReadDirection.FORWARDS
    const count = Number(request.getCount())
    const { entries, missing } = request.hasStream()
      ? ofStream(log, stream, request, forwards)
      : { entries: ofAll(log, request, forwards), missing: false }
    if (missing) {
      const facts = new streams.ReadResp.StreamNotFound()
      facts.setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from(stream)))
      call.write(new streams.ReadResp().setStreamNotFound(facts))
    } else {
      for (const entry of entries.slice(0, count)) await write(call, entryResponse(entry))
    }
    call.end()
  }

  async #subscription(
    log: Log,
    request: ReadReq.Options,
    call: ServerWritableStream<ReadReq, ReadResp>,
  ): Promise<void> {
    const at = request.getAll()?.getPosition()?.getCommitPosition()
    const from = at === undefined ? -1 : Number(at)
    this.subscribedFrom.push(from)
    const wanted = filterOf(request)
    let next = log.all.findIndex((entry) => entry.position > from)
    if (next < 0) next = log.all.length
    let live = false
    let wake = () => {}
    const forget = log.onAppend(() => wake())
    call.on('cancelled', () => wake())
    call.on('close', () => wake())
    call.on('drain', () => wake())
    const confirmation = new streams.ReadResp.SubscriptionConfirmation().setSubscriptionId('1')
    call.write(new streams.ReadResp().setConfirmation(confirmation))
    try {
      while (!call.cancelled && !call.destroyed) {
        const entry = log.all[next]
        if (!entry) {
          if (!live) call.write(new streams.ReadResp().setCaughtUp(new streams.ReadResp.CaughtUp()))
          live = true
          await new Promise<void>((resolve) => {
            wake = resolve
          })
          continue
        }
        if (live && call.writableNeedDrain) {
          if (log.all.length - next > SLOWEST) {
            this.dropped++
            call.emit('error', failure(grpc.status.ABORTED, 'Operation timed out: Consumer too slow to handle event'))
            return
          }
          await new Promise<void>((resolve) => {
            wake = resolve
          })
          continue
        }
        next++
        if (wanted(entry)) await write(call, entryResponse(entry), live)
        else await write(call, checkpoint(entry))
      }
    } finally {
      forget()
    }
  }

  #tombstone(
    options: ServerOptions,
    call: ServerUnaryCall<TombstoneReq, TombstoneResp>,
    done: sendUnaryData<TombstoneResp>,
  ): void {
    const request = call.request.getOptions()
    const name = request?.getStreamIdentifier()?.getStreamName_asU8() ?? new Uint8Array()
    const stream = Buffer.from(name).toString()
    const fault = options.fault?.('tombstone', stream)
    if (fault === 'hang') return
    if (fault && fault !== 'lost') return done(toStatus(fault, options))
    const expected = request?.hasNoStream() ? 'no-stream' : Number(request?.getRevision())
    const refused = options.log.tombstone(stream, expected)
    if (fault === 'lost') return done(toStatus('unavailable', options))
    if (!refused) return done(null, new streams.TombstoneResp())
    if (refused.actual === 'deleted') return done(streamDeleted(stream))
    const metadata = trailers({
      exception: 'wrong-expected-version',
      'stream-name': stream,
      'expected-version': `${expected === 'no-stream' ? -1 : expected}`,
      'actual-version': `${refused.actual === 'no-stream' ? -1 : refused.actual}`,
    })
    done({ code: grpc.status.FAILED_PRECONDITION, details: 'Append failed due to WrongExpectedVersion.', metadata })
  }
}

function readAppend(request: BatchAppendReq): Written {
  const options = request.getOptions()
  const stream = Buffer.from(options?.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString()
  const expected = options?.hasAny()
    ? 'any'
    : options?.hasNoStream()
      ? 'no-stream'
      : Number(options?.getStreamPosition())
  const events = request.getProposedMessagesList().map((message) => ({
    id: message.getId()?.getString() ?? '',
    type: message.getMetadataMap().get('type') ?? '',
    contentType: message.getMetadataMap().get('content-type') ?? '',
    data: message.getData_asU8(),
    metadata: message.getCustomMetadata_asU8(),
  }))
  return { stream, expected, events }
}

function ofStream(log: Log, stream: string, request: ReadReq.Options, forwards: boolean) {
  const state = log.streams.get(stream)
  if (!state || state.entries.length === 0) return { entries: [], missing: true }
  const first = state.entries.length - state.maxCount
  const visible = state.entries.filter((entry) => Number(entry.revision) >= first)
  const options = request.getStream()
  const revision = options?.hasRevision() ? Number(options.getRevision()) : undefined
  const from = revision ?? (options?.hasEnd() ? Number.POSITIVE_INFINITY : 0)
  const entries = forwards
    ? visible.filter((entry) => Number(entry.revision) >= from)
    : visible.filter((entry) => Number(entry.revision) <= from).reverse()
  return { entries, missing: false }
}

function ofAll(log: Log, request: ReadReq.Options, forwards: boolean): Entry[] {
  const all = request.getAll()
  const at = all?.hasPosition() ? Number(all.getPosition()?.getCommitPosition()) : undefined
  if (forwards) return at === undefined ? log.all : log.all.filter((entry) => entry.position >= at)
  return (at === undefined ? log.all : log.all.filter((entry) => entry.position < at)).toReversed()
}

function filterOf(request: ReadReq.Options): (entry: Entry) => boolean {
  const names = request.getFilter()?.getStreamIdentifier()?.getPrefixList()
  if (names && names.length > 0) return (entry) => names.some((prefix) => entry.stream.startsWith(prefix))
  const regex = request.getFilter()?.getEventType()?.getRegex()
  return regex ? (entry) => new RegExp(regex).test(entry.type) : () => true
}

function entryResponse(entry: Entry): ReadResp {
  const event = new streams.ReadResp.ReadEvent.RecordedEvent()
  event.setId(new shared.UUID().setString(entry.id))
  event.setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from(entry.stream)))
  event.setStreamRevision(entry.revision)
  event.setCommitPosition(`${entry.position}`).setPreparePosition(`${entry.position}`)
  const TICKS = 10_000
  event
    .getMetadataMap()
    .set('type', entry.type)
    .set('content-type', entry.contentType)
    .set('created', `${entry.created * TICKS}`)
  event.setData(entry.data).setCustomMetadata(entry.metadata)
  const read = new streams.ReadResp.ReadEvent().setEvent(event).setCommitPosition(`${entry.position}`)
  return new streams.ReadResp().setEvent(read)
}

function checkpoint({ position }: Entry): ReadResp {
  const at = new streams.ReadResp.Checkpoint().setCommitPosition(`${position}`).setPreparePosition(`${position}`)
  return new streams.ReadResp().setCheckpoint(at)
}

/** Waits for room, except when it is live: then the server lets it wait in a queue of its own. */
async function write(call: ServerWritableStream<ReadReq, ReadResp>, response: ReadResp, live = false): Promise<void> {
  if (call.cancelled || call.destroyed) return
  if (call.write(response) || live) return
  await new Promise<void>((resolve) => {
    const go = () => {
      for (const event of ['drain', 'cancelled', 'close']) call.off(event, go)
      resolve()
    }
    for (const event of ['drain', 'cancelled', 'close']) call.on(event, go)
  })
}

function toStatus(fault: Fault, options: ServerOptions): ServerErrorResponse {
  switch (fault) {
    case 'not-leader': {
      const port = options.leader?.()
      const facts = { exception: 'not-leader', 'leader-endpoint-host': '127.0.0.1', 'leader-endpoint-port': `${port}` }
      return failure(grpc.status.NOT_FOUND, 'Leader info available', trailers(facts))
    }
    case 'denied':
      return failure(grpc.status.PERMISSION_DENIED, 'Access Denied', trailers({ exception: 'access-denied' }))
    case 'deadline':
    case 'timeout':
      return failure(grpc.status.DEADLINE_EXCEEDED, 'Deadline exceeded')
    default:
      return failure(grpc.status.UNAVAILABLE, 'Server Is Not Ready')
  }
}

function streamDeleted(stream: string): ServerErrorResponse {
  const facts = trailers({ exception: 'stream-deleted', 'stream-name': stream })
  return failure(grpc.status.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, facts)
}

function failure(code: number, details: string, metadata: Metadata = new grpc.Metadata()): ServerErrorResponse {
  return { name: 'Error', message: details, code, details, metadata }
}

function trailers(facts: Readonly<Record<string, string>>): Metadata {
  const metadata = new grpc.Metadata()
  for (const [key, value] of Object.entries(facts)) metadata.set(key, value)
  return metadata
}
