/** One HTTP request that delivers a callback: to a checked address, on a connection of its own, bounded in time and size. */
import type { LookupFunction } from 'node:net'
import type { Clock } from '../actors/index.ts'
import { checkHost, publicLookup } from './callback-address.ts'

export interface Delivery {
  readonly url: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

/** Delivers, and resolves with the status of the answer; its body is of no interest. Redirects are not followed. */
export type Post = (delivery: Delivery) => Promise<number>

export interface PostOptions {
  readonly clock: Clock
  readonly allowPrivate: boolean
  /** Default: the system's, held to public addresses unless `allowPrivate`. */
  readonly lookup?: LookupFunction
}

const TIMEOUT_MS = 10_000
/** A server that sends more than this in answer is hung up on. */
const LONGEST_ANSWER = 64 * 1024

/** The post rejects with PrivateAddress, or with what went wrong on the way. */
export function httpPost({ clock, allowPrivate, lookup }: PostOptions): Post {
  const resolve = lookup ?? (allowPrivate ? undefined : publicLookup())
  return async ({ url, body, headers, signal }) => {
    const target = new URL(url)
    // An address written out is connected to without a lookup.
    if (!allowPrivate) checkHost(target.hostname)
    const answer = Promise.withResolvers<number>()
    // Loaded by then: an import of node:http loads what browsers have for it, too, which a start need not wait for.
    const http = await (target.protocol === 'https:' ? import('node:https') : import('node:http'))
    const request = http.request(target, {
      method: 'POST',
      // No pool: a connection that was made before was not checked for this callback.
      agent: false,
      signal,
      headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      ...(resolve ? { lookup: resolve } : {}),
    })
    const timer = clock.at(clock.now() + TIMEOUT_MS, () => {
      request.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`))
    })
    request.on('error', (error) => answer.reject(error))
    request.on('close', () => {
      timer.cancel()
      // Node hangs up on an answer that is an upgrade, and tells of neither an answer nor an error.
      answer.reject(new Error('hung up without an answer'))
    })
    request.on('response', (response) => {
      answer.resolve(response.statusCode ?? 0)
      let received = 0
      response.on('data', (chunk: Buffer) => {
        received += chunk.length
        if (received > LONGEST_ANSWER) request.destroy()
      })
      // What becomes of the answer's body changes nothing any more.
      response.on('error', () => {})
    })
    request.end(body)
    return answer.promise
  }
}
