/**
 * One connection to one node, made once and thrown away at the first sign of trouble. It extends the client for what that
 * leaves open: the channel, whose options it does not let one set (it may wait two minutes before it tries a restarted
 * server again), and batched appends, which the client keeps in one table for all its connections: an error of one rejects
 * the appends of all, and an answer that comes later ends the process (docs/decisions/0022-own-batch-append.md).
 */
import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { EventStoreDBClient } from '@eventstore/db-client'
import shared, { type UUID } from '@eventstore/db-client/generated/shared_pb.js'
import rpc from '@eventstore/db-client/generated/streams_grpc_pb.js'
import streams, { type BatchAppendReq, type BatchAppendResp } from '@eventstore/db-client/generated/streams_pb.js'
import {
  Channel,
  type ChannelCredentials,
  type ChannelOptions,
  type ClientDuplexStream,
  credentials,
} from '@grpc/grpc-js'
import {
  EventTooLarge,
  type ExpectedRevision,
  StoreRefusesUser,
  StoreUnavailable,
  StreamDeleted,
  WrongExpectedRevision,
} from '../../errors.ts'
import type { Position } from '../../event.ts'
import type { AppendResult } from '../../store.ts'
import type { Incoming } from '../incoming.ts'
import { GivenUp, NotLeader, noAnswer } from './failure.ts'
import type { Endpoint, Settings } from './settings.ts'

type BatchStream = ClientDuplexStream<BatchAppendReq, BatchAppendResp>

/** An event as it goes over the wire: its data and metadata as JSON. */
export type Sendable = Pick<Incoming, 'id' | 'type' | 'dataText' | 'metadataText'>

interface Sent {
  readonly stream: string
  readonly expected: ExpectedRevision
  readonly events: readonly Sendable[]
  readonly bytes: number
  readonly timer: NodeJS.Timeout
  readonly resolve: (result: AppendResult) => void
  readonly reject: (error: unknown) => void
}

/** The server takes no larger message, and says so by ending the call that all appends share. */
const LARGEST_APPEND = 3 * 1024 * 1024
/** What every append carries beside its events, and each event beside its data, at the most that matters. */
const EVENT_OVERHEAD = 512
const LARGEST_MESSAGE = 17 * 1024 * 1024
const DISPOSE_MS = 1000
const DETAILS = 'event_store.client.'

export class Wire extends EventStoreDBClient {
  readonly #settings: Settings
  readonly #sent = new Map<string, Sent>()
  readonly #sockets = new Set<Socket>()
  #batch: Promise<BatchStream> | undefined
  #closed = false

  constructor(settings: Settings, leader: Endpoint | undefined) {
    const { connection, secure, ca, certificate } = settings
    super(
      {
        endpoints: connection.hosts,
        ...(connection.nodePreference && { nodePreference: connection.nodePreference }),
        ...(connection.discoveryInterval && { discoveryInterval: connection.discoveryInterval }),
        ...(connection.gossipTimeout && { gossipTimeout: connection.gossipTimeout }),
        ...(connection.maxDiscoverAttempts && { maxDiscoverAttempts: connection.maxDiscoverAttempts }),
        ...(connection.connectionName && { connectionName: connection.connectionName }),
        defaultDeadline: settings.timeoutMs,
      },
      {
        insecure: !secure,
        ...(ca && { rootCertificate: ca }),
        ...(certificate && { userKeyFile: certificate.key, userCertFile: certificate.cert }),
      },
      connection.defaultCredentials,
    )
    this.#settings = settings
    const endpoint = leader ?? settings.single
    if (endpoint) this.resolveUri = async () => `${endpoint.address}:${endpoint.port}`
    let channel: Promise<Channel> | undefined
    this.getChannel = () => {
      channel ??= this.resolveUri().then(
        (uri) => new Channel(uri, this.#watched(channelCredentials(settings)), channelOptions(settings)),
      )
      return channel
    }
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** @throws WrongExpectedRevision, StreamDeleted, EventTooLarge, StoreUnavailable, NotLeader, GivenUp, or what gRPC says */
  async append(stream: string, expected: ExpectedRevision, events: readonly Sendable[]): Promise<AppendResult> {
    let bytes = 0
    const request = new streams.BatchAppendReq()
    for (const event of events) bytes += addEvent(request, event)
    if (bytes > LARGEST_APPEND) throw tooLarge(stream, events, bytes, LARGEST_APPEND)
    const correlation = randomUUID()
    request.setCorrelationId(new shared.UUID().setString(correlation))
    request.setOptions(appendOptions(stream, expected))
    request.setIsFinal(true)
    const { promise, resolve, reject } = Promise.withResolvers<AppendResult>()
    const { timeoutMs } = this.#settings
    const timer = setTimeout(() => {
      this.#sent.delete(correlation)
      reject(noAnswer(`an append to ${stream}`, timeoutMs))
    }, timeoutMs)
    this.#sent.set(correlation, { stream, expected, events, bytes, timer, resolve, reject })
    this.#open().then(
      (batch) => batch.write(request),
      (error: unknown) => this.#settle(correlation)?.reject(error),
    )
    return promise
  }

  /** Ends everything under way on it; never waits longer than a second. */
  async close(): Promise<void> {
    this.#closed = true
    const timer = Promise.withResolvers<void>()
    const bound = setTimeout(timer.resolve, DISPOSE_MS)
    await Promise.race([this.dispose().catch(() => {}), timer.promise])
    clearTimeout(bound)
    this.#failAll(
      new StoreUnavailable('The connection to the event store was closed. Repeat the call.', { retryable: true }),
    )
    // A discovery that is still under way makes its channel later.
    this.getChannel().then(
      (channel) => channel.close(),
      () => {},
    )
    setTimeout(() => this.#hangUp(), DISPOSE_MS).unref()
  }

  /**
   * A closed channel leaves a connection open whose server has not said its first word yet, for as long as that says
   * nothing: one for each attempt, each of which would keep its thread from ending.
   */
  #hangUp(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** The credentials, which see every connection that is made with them. */
  #watched(made: ChannelCredentials): ChannelCredentials {
    const create = made._createSecureConnector.bind(made)
    made._createSecureConnector = (...of) => {
      const connector = create(...of)
      const connect = connector.connect.bind(connector)
      connector.connect = (socket) => {
        this.#sockets.add(socket)
        socket.once('close', () => this.#sockets.delete(socket))
        if (this.#closed) socket.destroy()
        return connect(socket)
      }
      return connector
    }
    return made
  }

  #open(): Promise<BatchStream> {
    this.#batch ??= this.#openBatch()
    return this.#batch
  }

  async #openBatch(): Promise<BatchStream> {
    const open = this.GRPCStreamCreator(rpc.StreamsClient, 'append', (client) =>
      client.batchAppend(...this.callArguments({ requiresLeader: true }, { deadline: Number.POSITIVE_INFINITY })),
    )
    const batch = await open()
    if (this.#closed) batch.cancel()
    batch.on('data', (answer: BatchAppendResp) => this.#answered(answer))
    // An error comes with an end, by which time another call may have taken its place.
    let isOver = false
    const over = (error: unknown) => {
      if (!isOver) this.#failAll(error)
      isOver = true
    }
    batch.on('error', over)
    batch.on('end', () => over(new GivenUp('The server has ended the call of the appends.')))
    return batch
  }

  #failAll(error: unknown): void {
    this.#batch = undefined
    const sent = [...this.#sent.values()]
    this.#sent.clear()
    for (const { timer, reject } of sent) {
      clearTimeout(timer)
      reject(error)
    }
  }

  #settle(correlation: string): Sent | undefined {
    const sent = this.#sent.get(correlation)
    if (!sent) return undefined
    this.#sent.delete(correlation)
    clearTimeout(sent.timer)
    return sent
  }

  #answered(answer: BatchAppendResp): void {
    const id = answer.getCorrelationId()
    const sent = id && this.#settle(uuidText(id))
    // Nobody waits any more for an answer that comes after its time.
    if (!sent) return
    const success = answer.getSuccess()
    if (!success) return sent.reject(refusal(answer, sent))
    const commit = success.getPosition()?.getCommitPosition()
    if (commit === undefined) return sent.reject(new GivenUp('The server answered without a position.'))
    sent.resolve({ revision: BigInt(success.getCurrentRevision()), position: BigInt(commit) as Position })
  }
}

function addEvent(request: BatchAppendReq, event: Sendable): number {
  const message = new streams.BatchAppendReq.ProposedMessage()
  message.setId(new shared.UUID().setString(event.id))
  message.getMetadataMap().set('type', event.type).set('content-type', 'application/json')
  const data = Buffer.from(event.dataText)
  const metadata = Buffer.from(event.metadataText)
  message.setData(data)
  message.setCustomMetadata(metadata)
  request.addProposedMessages(message)
  return data.length + metadata.length + EVENT_OVERHEAD
}

function appendOptions(stream: string, expected: ExpectedRevision): BatchAppendReq.Options {
  const options = new streams.BatchAppendReq.Options()
  options.setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from(stream)))
  if (expected === 'any') options.setAny(new shared.Empty())
  else if (expected === 'no-stream') options.setNoStream(new shared.Empty())
  else options.setStreamPosition(`${expected}`)
  return options
}

/** What an answer without a success means. */
function refusal(answer: BatchAppendResp, { stream, expected, events, bytes }: Sent): Error {
  const error = answer.getError()
  const details = error?.getDetails()
  const name = details?.getTypeName() ?? ''
  const facts = details?.getValue_asU8() ?? new Uint8Array()
  switch (name) {
    case `${DETAILS}WrongExpectedVersion`: {
      const found = shared.WrongExpectedVersion.deserializeBinary(facts)
      const actual = found.hasCurrentStreamRevision() ? BigInt(found.getCurrentStreamRevision()) : 'no-stream'
      return new WrongExpectedRevision({ stream, expected, actual })
    }
    case `${DETAILS}MaximumAppendSizeExceeded`: {
      const found = shared.MaximumAppendSizeExceeded.deserializeBinary(facts)
      return tooLarge(stream, events, bytes, found.getMaxappendsize())
    }
    case `${DETAILS}AccessDenied`:
      return new StoreRefusesUser(
        `The event store does not let this user append to ${stream}. Check the user in the connection string, and its rights.`,
      )
    case `${DETAILS}StreamDeleted`:
      return new StreamDeleted(stream)
    case `${DETAILS}Timeout`:
      return new GivenUp('The server gave the append up.')
  }
  const reason = error?.getMessage() ?? ''
  if (/leader/i.test(reason)) return new NotLeader(undefined)
  return new StoreUnavailable(`The event store cannot append now (${reason || 'no reason given'}). Repeat the call.`, {
    retryable: true,
  })
}

function tooLarge(stream: string, events: readonly Sendable[], bytes: number, limit: number): EventTooLarge {
  return new EventTooLarge({
    stream,
    type: events
      .map((event) => event.type)
      .join(' + ')
      .slice(0, 200),
    bytes,
    limit,
  })
}

function uuidText(id: UUID): string {
  const structured = id.getStructured()
  if (!structured) return id.getString()
  const hex = [structured.getMostSignificantBits(), structured.getLeastSignificantBits()]
    .map((half) => BigInt.asUintN(64, BigInt(half)).toString(16).padStart(16, '0'))
    .join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function channelCredentials({ secure, ca, certificate }: Settings) {
  if (!secure) return credentials.createInsecure()
  return credentials.createSsl(ca, certificate?.key, certificate?.cert)
}

function channelOptions(settings: Settings): ChannelOptions {
  const { keepAliveIntervalMs, keepAliveTimeoutMs } = settings
  return {
    ...(keepAliveIntervalMs > 0 && {
      'grpc.keepalive_time_ms': keepAliveIntervalMs,
      'grpc.keepalive_timeout_ms': keepAliveTimeoutMs,
    }),
    'grpc.max_receive_message_length': LARGEST_MESSAGE,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1000,
    // A pool for the process would hand the patience of an old connection on to a new one.
    'grpc.use_local_subchannel_pool': 1,
    // What failed is repeated by the store, which knows whether that is sound.
    'grpc.enable_retries': 0,
  }
}
