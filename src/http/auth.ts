/**
 * Lets in who has a key, or signed in with one. A sign-in is a cookie of this form, so that any node that has the same
 * secret takes it, and none does once the key is gone:
 *
 *   <expires, ms>.<first 16 digits of the key's hash>.<HMAC of both with the secret>
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../actors/index.ts'
import { type ApiKey, hashOf } from './keys.ts'
import { HttpRefusal } from './problems.ts'
import type { User } from './users.ts'

export interface AuthOptions {
  readonly keys: readonly ApiKey[]
  /** Signs the cookies of those who signed in. Default: random, so that a restart signs everybody out. */
  readonly secret?: string
}

export const SESSION_COOKIE = 'capsule_session'
export const SESSION_SECONDS = 12 * 60 * 60

/** So many wrong keys of one address in a minute are told that they are wrong. */
const WRONG_KEYS = 10
const WINDOW_MS = 60_000
/** Addresses that are remembered; the oldest is forgotten first. */
const ADDRESSES = 10_000

export class Auth {
  readonly #keys: readonly ApiKey[]
  readonly #secret: string | Buffer
  readonly #clock: Clock
  readonly #wrong = new Map<string, { count: number; readonly since: number }>()

  constructor({ keys, secret }: AuthOptions, clock: Clock) {
    if (keys.length === 0) throw new TypeError('auth needs a key at least: make one with capsule key')
    this.#keys = keys
    this.#secret = secret ?? randomBytes(32)
    this.#clock = clock
  }

  /** @throws HttpRefusal `key-refused`, or `too-many-attempts` when this address keeps trying */
  byKey(key: string, address: string): User {
    const found = this.#find(hashOf(key))
    if (found) return userOf(found)
    this.#countWrong(address)
    throw new HttpRefusal(
      'key-refused',
      'This server does not know the key. See that it is whole, or ask whoever runs the server for one.',
      { 'www-authenticate': 'Bearer error="invalid_token"' },
    )
  }

  /** The value of a session's cookie for the one who has this key. @throws as `byKey` */
  signIn(key: string, address: string): { readonly user: User; readonly cookie: string } {
    const user = this.byKey(key, address)
    const expires = this.#clock.now() + SESSION_SECONDS * 1000
    const id = shortOf(hashOf(key))
    return { user, cookie: `${expires}.${id}.${this.#sign(`${expires}.${id}`).toString('base64url')}` }
  }

  /** Whose session it is; undefined when it is none, or no more. */
  bySession(cookie: string): User | undefined {
    const [expires = '', id = '', signature = ''] = cookie.split('.')
    const given = Buffer.from(signature, 'base64url')
    const own = this.#sign(`${expires}.${id}`)
    if (given.length !== own.length || !timingSafeEqual(given, own)) return undefined
    if (!(Number(expires) > this.#clock.now())) return undefined
    const key = this.#keys.find(({ sha256 }) => shortOf(sha256) === id)
    return key && userOf(key)
  }

  /** Every key is compared, and wholly, so that the time it takes tells nothing. */
  #find(hash: Buffer): ApiKey | undefined {
    let found: ApiKey | undefined
    for (const key of this.#keys) if (timingSafeEqual(key.sha256, hash)) found = key
    return found
  }

  #sign(text: string): Buffer {
    return createHmac('sha256', this.#secret).update(text).digest()
  }

  #countWrong(address: string): void {
    const now = this.#clock.now()
    const before = this.#wrong.get(address)
    const entry = before && now - before.since < WINDOW_MS ? before : { count: 0, since: now }
    entry.count += 1
    this.#wrong.delete(address)
    this.#wrong.set(address, entry)
    const [oldest] = this.#wrong.keys()
    if (this.#wrong.size > ADDRESSES && oldest !== undefined) this.#wrong.delete(oldest)
    if (entry.count <= WRONG_KEYS) return
    const seconds = Math.max(1, Math.ceil((entry.since + WINDOW_MS - now) / 1000))
    throw new HttpRefusal(
      'too-many-attempts',
      `More than ${WRONG_KEYS} wrong keys came from this address within a minute. Try again in ${seconds} s.`,
      { 'retry-after': String(seconds) },
    )
  }
}

function shortOf(sha256: Buffer): string {
  return sha256.toString('hex').slice(0, 16)
}

function userOf({ name, scope }: ApiKey): User {
  return { id: name, name, scope }
}
