/** Stream names: `<app>.<kind>-<key>`, so that several apps share a log and a prefix selects one kind. */
import { createHash } from 'node:crypto'

export const STREAM_KINDS = [
  'task',
  'session',
  'schedule',
  'lock',
  'limit',
  'document',
  'setting',
  'artifact',
  'node',
] as const
export type StreamKind = (typeof STREAM_KINDS)[number]

const LONGEST_KEY = 200

/** The stream of one entity. Keys are percent-encoded, and hashed past 200 characters. */
export function streamName(app: string, kind: StreamKind, key: string): string {
  return `${app}.${kind}-${encodeKey(key)}`
}

export function streamPrefix(app: string, kind?: StreamKind): string {
  return kind ? `${app}.${kind}-` : `${app}.`
}

/** The kind and the encoded key of a stream of `app`, or undefined for a stream of another app or kind. */
export function parseStream(app: string, stream: string): { kind: StreamKind; key: string } | undefined {
  if (!stream.startsWith(`${app}.`)) return undefined
  const dash = stream.indexOf('-', app.length + 1)
  const kind = stream.slice(app.length + 1, dash)
  if (dash < 0 || !(STREAM_KINDS as readonly string[]).includes(kind)) return undefined
  return { kind: kind as StreamKind, key: stream.slice(dash + 1) }
}

const PLAIN = /^[A-Za-z0-9_.:-]*$/

function encodeKey(key: string): string {
  const encoded = PLAIN.test(key) ? key : encodeURIComponent(key).replaceAll('%3A', ':')
  return encoded.length <= LONGEST_KEY ? encoded : `sha256:${createHash('sha256').update(key).digest('hex')}`
}
