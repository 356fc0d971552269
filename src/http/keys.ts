/**
 * API keys: how one is made, and how those that are let in are written down. What is written down is a key's SHA-256,
 * which gives nothing away: a key is 256 random bits, not a word that could be guessed.
 */
import { createHash, randomBytes } from 'node:crypto'
import { SCOPES, type Scope } from './users.ts'

export interface ApiKey {
  /** Of its user, and the owner of what they do. Several keys may have one name. */
  readonly name: string
  readonly scope: Scope
  /** Of the key's text. */
  readonly sha256: Buffer
}

const PREFIX = 'capsule_'
const NAME = /^[A-Za-z0-9][\w.@-]{0,63}$/
const HASH = /^[0-9a-f]{64}$/i
/** Owners of what no user did. */
const RESERVED: readonly string[] = ['system', 'unknown']

export function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

/** A fresh key, and the line that lets it in. @throws TypeError when the name or the scope is none */
export function makeKey(name: string, scope: string): { readonly key: string; readonly line: string } {
  const key = PREFIX + randomBytes(32).toString('base64url')
  const line = `${name}:${scope}:${hashOf(key).toString('hex')}`
  readKey(line)
  return { key, line }
}

/**
 * Keys as `name:scope:sha256`, by lines or commas; lines that begin with # are notes.
 * @throws TypeError saying which is wrong and how it is written
 */
export function readKeys(text: string): readonly ApiKey[] {
  const keys = text
    .split(/\r?\n/)
    .filter((line) => !line.trimStart().startsWith('#'))
    .flatMap((line) => line.split(','))
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map((entry, index) => readKey(entry, index + 1))
  if (keys.length === 0) throw new TypeError('it has no key in it: make one with capsule key')
  const twice = keys.find(({ sha256 }, index) => keys.findIndex((other) => other.sha256.equals(sha256)) < index)
  if (twice) throw new TypeError(`the key of ${twice.name} stands there twice: leave one out`)
  return keys
}

// What stands in place of a hash may be the key itself, so it is never repeated.
function readKey(entry: string, place = 1): ApiKey {
  const [name = '', scope = '', sha256 = '', ...rest] = entry.split(':')
  if (!NAME.test(name)) throw new TypeError(`the name of key ${place} must be letters, digits and . _ @ -, at most 64`)
  if (RESERVED.includes(name)) throw new TypeError(`the name ${name} is Capsule's own: choose another`)
  const known = SCOPES.find((one) => one === scope)
  if (!known) throw new TypeError(`the scope of ${name} must be one of ${SCOPES.join(', ')}`)
  if (!HASH.test(sha256) || rest.length > 0) {
    throw new TypeError(
      `${name} must be written as name:scope:sha256, where sha256 is 64 hexadecimal digits; capsule key makes such a line`,
    )
  }
  return { name, scope: known, sha256: Buffer.from(sha256, 'hex') }
}
