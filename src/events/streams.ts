/**
 * Stream names: `<app>.<kind>-<key>`, so that several apps share a log and a prefix selects one kind. The one stream of what
 * is done to an app's log is `<app>.audit`, without a key.
 */
import { createHash } from 'node:crypto'

export const STREAM_KINDS = ['task', 'session', 'schedule', 'lock', 'limit', 'setting', 'node', 'audit'] as const
export type StreamKind = (typeof STREAM_KINDS)[number]

const LONGEST_KEY = 200

/** The key of the one stream of its kind. */
export const NO_KEY = ''

/** The stream of one entity. Keys are percent-encoded, and hashed past 200 characters. `audit` takes NO_KEY. */
export function streamName(app: string, kind: StreamKind, key: string): string {
  return kind === 'audit' ? auditStream(app) : `${app}.${kind}-${encodeKey(key)}`
}

/** What is done to the log of the app. */
export function auditStream(app: string): string {
  return `${app}.audit`
}

export function streamPrefix(app: string, kind?: StreamKind): string {
  if (kind === 'audit') return auditStream(app)
  return kind ? `${app}.${kind}-` : `${app}.`
}

/** The app that a stream belongs to. No app's name has a dot. */
export function appOf(stream: string): string {
  const dot = stream.indexOf('.')
  return dot < 0 ? stream : stream.slice(0, dot)
}

/** The kind and the encoded key of a stream of `app`, or undefined for a stream of another app or kind. */
export function parseStream(app: string, stream: string): { kind: StreamKind; key: string } | undefined {
  if (!stream.startsWith(`${app}.`)) return undefined
  if (stream === auditStream(app)) return { kind: 'audit', key: NO_KEY }
  const dash = stream.indexOf('-', app.length + 1)
  const kind = stream.slice(app.length + 1, dash)
  if (dash < 0 || kind === 'audit' || !(STREAM_KINDS as readonly string[]).includes(kind)) return undefined
  return { kind: kind as StreamKind, key: stream.slice(dash + 1) }
}

const PLAIN = /^[A-Za-z0-9_.:-]*$/

function encodeKey(key: string): string {
  // Half a character has no bytes. What is made is checked for it before; what is asked for is then simply not there.
  const encoded = PLAIN.test(key) ? key : encodeURIComponent(key.toWellFormed()).replaceAll('%3A', ':')
  return encoded.length <= LONGEST_KEY ? encoded : `sha256:${createHash('sha256').update(key).digest('hex')}`
}
