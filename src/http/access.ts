/**
 * Who may reach a server, and as whom. One that only this machine can reach is open, and nobody may reach it through a
 * browser: a website can make a browser send requests here (by DNS rebinding, a cross-site form, a WebSocket), so `Host`,
 * `Origin` and `Sec-Fetch-Site` are checked on every request and every upgrade. One with keys lets in who has one; a
 * website has none, so `Host` may be any there, and the origin counts where a cookie says who asks.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { type Auth, SESSION_COOKIE } from './auth.ts'
import { HttpRefusal } from './problems.ts'
import type { User } from './users.ts'

const LOOPBACK_NAME = /^(localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i

/** Whether an address to bind can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return LOOPBACK_NAME.test(host)
}

/** @throws HttpRefusal `loopback-only` for an address that others can reach, when there is no `auth` */
export function assertLoopback(host: string): void {
  if (isLoopback(host)) return
  throw new HttpRefusal(
    'loopback-only',
    `Refusing to listen on ${host}: others could reach it, and that needs auth. Make a key with \`capsule key\` and put ` +
      'its line into CAPSULE_AUTH_API_KEYS, or use --host 127.0.0.1.',
  )
}

/** A page may not ask what it asks. */
export class OriginNotAllowed extends HttpRefusal {
  /** Why, in a few words: what the close of a socket has room for. */
  readonly brief: string

  constructor(brief: string, advice: string) {
    super('origin-not-allowed', `${brief} ${advice}`)
    this.brief = brief
  }
}

/** What of a request decides who is let in. */
export interface Knock {
  readonly headers: IncomingHttpHeaders
  /** It may change something, or opens a socket that may. */
  readonly changes: boolean
  /** The other end of the connection. */
  readonly address: string
}

export interface Access {
  /** Undefined on an open server. */
  readonly auth: Auth | undefined
  /** Who asks; undefined for one who did not say. @throws HttpRefusal why this request is not let in */
  admit(knock: Knock): User | undefined
  /** The request's origin, if it is one that answers must name so that its page may read them. */
  corsOrigin(headers: IncomingHttpHeaders): string | undefined
}

/** `origins`: pages of other origins that are let in. @throws TypeError for what is no origin; see parseOrigin */
export function openAccess(user: User, origins: readonly string[]): Access {
  const allowed = originsOf(origins)
  return {
    auth: undefined,
    admit(knock) {
      const host = knock.headers.host ?? ''
      if (!isLoopback(hostname(host))) {
        throw new HttpRefusal(
          'host-not-allowed',
          `This server answers to this machine only, as localhost or 127.0.0.1; the request was sent to "${host}". ` +
            'Open it under one of these names.',
        )
      }
      checkOrigin(knock, allowed)
      return user
    },
    corsOrigin: corsOf(allowed),
  }
}

export function keyedAccess(auth: Auth, origins: readonly string[]): Access {
  const allowed = originsOf(origins)
  return {
    auth,
    admit(knock) {
      const { headers, changes, address } = knock
      const key = keyOf(headers)
      if (key !== undefined) return auth.byKey(key, address)
      checkOrigin(knock, allowed)
      const cookie = cookieOf(headers, SESSION_COOKIE)
      const user = cookie === undefined ? undefined : auth.bySession(cookie)
      if (user && changes && headers.origin === undefined) {
        throw new OriginNotAllowed(
          'A cookie alone changes nothing: it does not say which page asks.',
          'Send an Origin header, or use X-API-Key.',
        )
      }
      return user
    },
    corsOrigin: corsOf(allowed),
  }
}

function checkOrigin({ headers, changes }: Knock, allowed: ReadonlySet<string>): void {
  const { origin, host = '' } = headers
  if (origin !== undefined) {
    if (isOwn(origin, host) || allowed.has(origin)) return
    if (origin === 'null') {
      throw new OriginNotAllowed(
        'A page without an origin, as files and sandboxed frames are, may not use this server.',
        'Serve it from an address.',
      )
    }
    throw new OriginNotAllowed(
      `A page of ${origin} may not use this server without its option --origin.`,
      `Start it with --origin ${origin}, or name the origin in CAPSULE_ORIGINS or in the option origins.`,
    )
  }
  const site = headers['sec-fetch-site']
  if ((site === 'cross-site' || site === 'same-site') && changes) {
    throw new OriginNotAllowed(
      'Another website made this request, and it does not say which.',
      'A page that was let in (capsule serve --origin) has to ask with fetch, which says it.',
    )
  }
}

/** `X-API-Key`, or a bearer token. */
function keyOf(headers: IncomingHttpHeaders): string | undefined {
  const given = headers['x-api-key']
  if (typeof given === 'string') return given
  return /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
}

function cookieOf({ cookie = '' }: IncomingHttpHeaders, name: string): string | undefined {
  const found = cookie.split(/; */).find((pair) => pair.startsWith(`${name}=`))
  return found?.slice(name.length + 1)
}

function originsOf(origins: readonly string[]): ReadonlySet<string> {
  return new Set(origins.map(parseOrigin))
}

function corsOf(allowed: ReadonlySet<string>): Access['corsOrigin'] {
  return ({ origin }) => (origin !== undefined && allowed.has(origin) ? origin : undefined)
}

/** The name in a `Host` header, without the port. */
function hostname(host: string): string {
  return host.replace(/:\d+$/, '')
}

function isOwn(origin: string, host: string): boolean {
  return origin === `http://${host}` || origin === `https://${host}`
}

/**
 * An origin as browsers send it.
 * @throws TypeError saying what is wrong with the text, and how an origin is written
 */
export function parseOrigin(text: string): string {
  const url = URL.parse(text)
  const wrong = wrongWith(text.trim(), url)
  if (!url || wrong !== undefined) {
    throw new TypeError(
      `"${text}" is not an origin: ${wrong}. Write it as https://shop.example or http://localhost:5173`,
    )
  }
  return url.origin
}

function wrongWith(text: string, url: URL | null): string | undefined {
  if (text === '') return 'it is empty'
  if (text === 'null') return 'any sandboxed page has that one'
  if (text.includes('*')) return 'each is named by itself, without *'
  if (!url || !/^https?:\/\//i.test(text)) return 'it begins with http:// or https://, and has a name'
  if (url.username !== '' || url.password !== '') return 'it has no user'
  if (url.pathname !== '/' || /[?#]/.test(text)) return 'it ends with the name or the port, without a path'
  return undefined
}
