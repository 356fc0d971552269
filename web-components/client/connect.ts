/**
 * One connection per server and page, however many elements and however many copies of this bundle: it is kept
 * under a well-known symbol, counted, and closed a little after the last user left, so that moving an element
 * in the page does not cost a reconnect.
 */
import { Connection, type TokenSource } from './connection.ts'

interface Shared {
  connection: Connection
  users: number
  closing: number | undefined
}

const LINGER = 3_000
const KEY = Symbol.for('capsule.connections.1')

type Page = typeof globalThis & { [KEY]?: Map<string, Shared> }

function registry(): Map<string, Shared> {
  const page: Page = globalThis
  page[KEY] ??= new Map()
  return page[KEY]
}

/**
 * `src` as the base URL of a server: absolute, no query, no trailing slash. Empty means the page's own origin. What is no
 * address stays as it is, for the connection to say so.
 */
export function baseOf(src: string | null | undefined): string {
  const address = src || '/'
  const url = URL.canParse(address, document.baseURI) ? new URL(address, document.baseURI) : undefined
  return url && url.origin !== 'null' ? url.origin + url.pathname.replace(/\/+$/, '') : address
}

/** Joins the page's connection to `src`, opening it for the first user. Pair every call with `disconnect`. */
export function connect(src: string | null | undefined): Connection {
  const shared = entry(baseOf(src))
  window.clearTimeout(shared.closing)
  shared.closing = undefined
  shared.users += 1
  if (shared.users === 1) shared.connection.open()
  return shared.connection
}

/** Leaves the connection; the last one to leave closes it. */
export function disconnect(connection: Connection): void {
  const shared = registry().get(connection.base)
  if (!shared || shared.connection !== connection || shared.users === 0) return
  shared.users -= 1
  if (shared.users > 0) return
  shared.closing = window.setTimeout(() => {
    // The page does not say a second time where its key comes from.
    shared.connection = new Connection(connection.base)
    shared.connection.token = connection.token
    connection.close()
  }, LINGER)
}

/** Says where the token for `src` comes from. Call it before elements connect, or again after signing in. */
export function signIn(src: string | null | undefined, token: TokenSource): void {
  const { connection, users } = entry(baseOf(src))
  connection.token = token
  if (users > 0 && connection.state.status === 'stopped') connection.open()
}

function entry(base: string): Shared {
  let shared = registry().get(base)
  if (!shared) {
    const made: Shared = { connection: new Connection(base), users: 0, closing: undefined }
    shared = made
    registry().set(base, made)
    const back = () => document.visibilityState === 'visible' && made.connection.retryNow()
    window.addEventListener('online', back)
    document.addEventListener('visibilitychange', back)
  }
  return shared
}
