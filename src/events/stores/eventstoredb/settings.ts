/** What a connection string says, in the units of the adapter; read by the client's own parser, so that both agree. */
import { readFileSync } from 'node:fs'
import parser, { type ConnectionOptions } from '@eventstore/db-client/dist/Client/parseConnectionString.js'
import { StoreUnavailable } from '../../errors.ts'
import type { EventStoreDBOptions } from './options.ts'

export interface Endpoint {
  readonly address: string
  readonly port: number
}

export interface Settings {
  readonly connection: ConnectionOptions
  /** The one node to talk to; without it the nodes are asked who leads. */
  readonly single: Endpoint | undefined
  readonly secure: boolean
  readonly ca: Buffer | undefined
  readonly certificate: { readonly cert: Buffer; readonly key: Buffer } | undefined
  readonly timeoutMs: number
  readonly keepAliveIntervalMs: number
  readonly keepAliveTimeoutMs: number
}

const TIMEOUT_MS = 5000
const KEEP_ALIVE_INTERVAL_MS = 10_000
const KEEP_ALIVE_TIMEOUT_MS = 5000
const EXAMPLE = 'esdb://user:password@host:2113?tls=true'

/** @throws StoreUnavailable */
export function readSettings(options: EventStoreDBOptions): Settings {
  const connection = parse(options.url)
  const first = connection.hosts[0]
  const secure = connection.tls !== false
  const { userCertFile, userKeyFile } = connection
  if (secure && Boolean(userCertFile) !== Boolean(userKeyFile)) {
    throw unreadable('it names one of userCertFile and userKeyFile, and needs both')
  }
  return {
    connection,
    single: connection.dnsDiscover || connection.hosts.length > 1 ? undefined : first,
    secure,
    ca: secure ? file('tlsCAFile', connection.tlsCAFile) : undefined,
    certificate: certificate(secure, userCertFile, userKeyFile),
    timeoutMs: options.timeoutMs ?? connection.defaultDeadline ?? TIMEOUT_MS,
    keepAliveIntervalMs: options.keepAliveIntervalMs ?? connection.keepAliveInterval ?? KEEP_ALIVE_INTERVAL_MS,
    keepAliveTimeoutMs: options.keepAliveTimeoutMs ?? connection.keepAliveTimeout ?? KEEP_ALIVE_TIMEOUT_MS,
  }
}

function parse(url: string): ConnectionOptions {
  // KurrentDB is EventStoreDB under its new name: same protocol, same parameters.
  const text = url.trim().replace(/^(?:kurrentdb|kurrent|kdb)(\+discover)?:\/\//, 'esdb$1://')
  if (!/^esdb(?:\+discover)?:\/\//.test(text)) {
    throw unreadable('it does not begin with esdb://, esdb+discover://, kurrentdb:// or kurrentdb+discover://')
  }
  try {
    const connection = parser.parseConnectionString(text)
    for (const { port } of connection.hosts) {
      if (port < 1 || port > 65_535) throw unreadable(`${port} is not a port`)
    }
    return connection
  } catch (error) {
    if (error instanceof StoreUnavailable) throw error
    // The parser's message quotes the string, and with it perhaps the password.
    const expected = error instanceof Error && 'expected' in error ? `${error.expected}` : 'another form'
    const hint = text.includes('@') ? '. What is special in a user or password is percent-encoded: %40 for @' : ''
    throw unreadable(`a part of it is not understood: expected ${expected}${hint}`)
  }
}

function certificate(
  secure: boolean,
  certFile: string | undefined,
  keyFile: string | undefined,
): Settings['certificate'] {
  const cert = secure ? file('userCertFile', certFile) : undefined
  const key = secure ? file('userKeyFile', keyFile) : undefined
  return cert && key ? { cert, key } : undefined
}

function file(option: string, path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new StoreUnavailable(`The file of ${option} in the connection string cannot be read. Check its path.`, {
      retryable: false,
      cause,
    })
  }
}

function unreadable(reason: string): StoreUnavailable {
  return new StoreUnavailable(
    `The connection string of the event store cannot be used: ${reason}. Example: ${EXAMPLE}`,
    {
      retryable: false,
    },
  )
}
