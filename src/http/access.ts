/**
 * Who may reach a server that is open because only this machine can: nobody through a browser. A website can make a
 * browser send requests here (by DNS rebinding, a cross-site form, a WebSocket), so `Host`, `Origin` and
 * `Sec-Fetch-Site` are checked on every request and every upgrade.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { HttpRefusal } from './errors.ts'

const LOOPBACK_NAME = /^(localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i

/** Whether an address to bind can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return LOOPBACK_NAME.test(host)
}

/** @throws HttpRefusal `loopback-only` for an address that others can reach */
export function assertLoopback(host: string): void {
  if (isLoopback(host)) return
  throw new HttpRefusal(
    'loopback-only',
    `Refusing to listen on ${host}: others could reach it, and that needs auth. This version serves loopback only: ` +
      'use --host 127.0.0.1, and a reverse proxy that signs people in if others shall reach it.',
  )
}

export interface Access {
  /** @throws HttpRefusal why this request is not let in */
  check(method: string, headers: IncomingHttpHeaders): void
  /** The request's origin, if it is one that answers must name so that its page may read them. */
  corsOrigin(headers: IncomingHttpHeaders): string | undefined
}

/** `origins`: pages of other origins that are let in, as `https://example.org`. */
export function loopbackAccess(origins: readonly string[]): Access {
  const allowed = new Set(origins.map((origin) => normalise(origin)))

  return {
    check(method, headers) {
      const host = headers.host ?? ''
      if (!isLoopback(hostname(host))) {
        throw new HttpRefusal(
          'host-not-allowed',
          `This server answers to this machine only, as localhost or 127.0.0.1; the request was sent to "${host}". ` +
            'Open it under one of these names.',
        )
      }
      const { origin } = headers
      if (origin !== undefined) {
        if (isOwn(origin, host) || allowed.has(origin)) return
        throw new HttpRefusal(
          'origin-not-allowed',
          `A page of ${origin} may not use this server. Start it with origins: ['${origin}'] to let it in.`,
        )
      }
      const site = headers['sec-fetch-site']
      if ((site === 'cross-site' || site === 'same-site') && method !== 'GET' && method !== 'HEAD') {
        throw new HttpRefusal(
          'origin-not-allowed',
          'Another website made this request, and it does not say which. Name its origin in origins to let it in.',
        )
      }
    },

    corsOrigin({ origin }) {
      return origin !== undefined && allowed.has(origin) ? origin : undefined
    },
  }
}

/** The name in a `Host` header, without the port. */
function hostname(host: string): string {
  return host.replace(/:\d+$/, '')
}

function isOwn(origin: string, host: string): boolean {
  return origin === `http://${host}` || origin === `https://${host}`
}

function normalise(origin: string): string {
  const url = URL.parse(origin)
  if (!url || url.origin === 'null') {
    throw new TypeError(`"${origin}" in origins is not an origin. Write it as https://example.org`)
  }
  return url.origin
}
