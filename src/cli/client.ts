/** How the command speaks to a running server: JSON over HTTP, with the key if one was given. */
import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { text as toText } from 'node:stream/consumers'
import { z } from 'zod'
import type { JsonObject } from '../events/index.ts'
import { readEnvironment } from './config.ts'
import { CommandFailed, UsageError } from './errors.ts'

/** The flags of every command that can ask a server. */
export interface ServerFlags {
  readonly url?: string
  readonly key?: string
}

/** The server at `url`, asked with the key of the flags, or else of $CAPSULE_KEY, which no list of processes shows. */
export function clientOf(url: string, { key }: ServerFlags, timeoutMs?: number): Client {
  return new Client({ url, key: key ?? readEnvironment(process.env).CAPSULE_KEY, timeoutMs })
}

const TIMEOUT_MS = 30_000

export class Client {
  readonly #url: URL
  /** As people may see it: no password in it. */
  readonly #called: string
  readonly #key: string | undefined
  readonly #timeoutMs: number

  /**
   * @param timeoutMs how long an answer may take; default 30 s
   * @throws UsageError for what is no URL of a server, or no key
   */
  constructor({
    url,
    key,
    timeoutMs = TIMEOUT_MS,
  }: {
    readonly url: string
    readonly key?: string | undefined
    readonly timeoutMs?: number | undefined
  }) {
    this.#timeoutMs = timeoutMs
    const parsed = URL.parse(url)
    if (!parsed || !/^https?:$/.test(parsed.protocol)) {
      throw new UsageError(`--url ${url} is not the address of a server. Give one like http://127.0.0.1:3000.`)
    }
    if (key !== undefined && !/^[\x21-\x7e]+$/.test(key)) {
      throw new UsageError('The key has characters that are in no key. Give it as capsule key has shown it.')
    }
    this.#url = parsed
    this.#called = parsed.origin + parsed.pathname.replace(/\/$/, '')
    this.#key = key
  }

  /** The app that it runs. @throws CommandFailed if another one is wanted */
  async app(wanted?: string): Promise<string> {
    const { name } = await this.get('/api/v1/info', z.object({ name: z.string() }))
    if (wanted === undefined || wanted === name) return name
    throw new CommandFailed(`${this.#called} runs ${name}, not ${wanted}. Give the address of the one that is meant.`)
  }

  async get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    return this.#read(await this.#ask('GET', path), path, schema)
  }

  /** @param key by which a repeat is the same command */
  async post<T>(path: string, schema: z.ZodType<T>, body?: JsonObject, key?: string): Promise<T> {
    return this.#read(await this.#ask('POST', path, body, key), path, schema)
  }

  /** A list, newest first, up to `most` of it: page after page. */
  async *list<T>(path: string, query: URLSearchParams, item: z.ZodType<T>, most: number): AsyncGenerator<Page<T>> {
    const asked = new URLSearchParams(query)
    for (let left = most; left > 0; ) {
      asked.set('limit', String(Math.min(left, LARGEST_PAGE)))
      const answer = await this.#ask('GET', `${path}?${asked}`)
      const items = this.#read(answer, path, z.array(item))
      left -= items.length
      const next = cursorOf(answer.headers.link)
      yield { items, total: totalOf(answer.headers), more: next !== undefined }
      if (next === undefined || items.length === 0) return
      asked.set('cursor', next)
    }
  }

  #read<T>({ status, headers: { location }, text }: Answer, path: string, schema: z.ZodType<T>): T {
    const body = parsed(text)
    if (status >= 400) throw new CommandFailed(`${this.#called} refuses this: ${detailOf(body) ?? `it says ${status}`}`)
    if (status >= 300 && location !== undefined) {
      throw new CommandFailed(
        `${this.#called} leads elsewhere (${location}). Give the address that is meant with --url.`,
      )
    }
    const read = schema.safeParse(body)
    if (read.success) return read.data
    throw new CommandFailed(
      `${this.#called} answers ${path} with something else than this version of capsule knows. Is it a Capsule server, and as new as this command?`,
      { cause: read.error },
    )
  }

  /** Not by fetch, which waits five minutes for an answer and no longer: a log may take more to be proved. */
  async #ask(method: string, path: string, sent?: JsonObject, idempotencyKey?: string): Promise<Answer> {
    const body = sent === undefined ? undefined : JSON.stringify(sent)
    const { protocol, pathname } = this.#url
    const url = new URL(this.#url)
    const [at = '', query = ''] = path.split('?', 2)
    url.pathname = pathname.replace(/\/$/, '') + at
    url.search = query
    // An import of node:http loads what browsers have for it, too, which a start of a server need not wait for.
    const http = await (protocol === 'https:' ? import('node:https') : import('node:http'))
    const signal = AbortSignal.timeout(this.#timeoutMs)
    try {
      const request = http.request(url, {
        method,
        // One that is kept open may be gone by the next request.
        agent: false,
        headers: {
          ...(this.#key === undefined ? {} : { 'x-api-key': this.#key }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        },
        signal,
      })
      // What goes wrong once the answer has begun is told by the answer.
      request.on('error', () => {})
      request.end(body)
      const [response]: IncomingMessage[] = await once(request, 'response')
      if (!response) throw new Error('no answer')
      const { statusCode = 0, headers } = response
      return { status: statusCode, headers, text: await toText(response) }
    } catch (cause) {
      const told = signal.aborted
        ? `${this.#called} has not answered within ${this.#timeoutMs / 1000} s, and may still be at it. Ask again later.`
        : `No server answers at ${this.#called} (${reasonOf(cause)}). Start it, or give its address with --url.`
      throw new ServerSilent(told, { cause })
    }
  }
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** The most that a server gives at once. */
const LARGEST_PAGE = 500

/** A page of a list. */
export interface Page<T> {
  readonly items: readonly T[]
  /** Of the whole list, where the server counts it. */
  readonly total: number | undefined
  /** Whether the list goes on. */
  readonly more: boolean
}

/** Nobody answered: whether a change was taken is not known. */
export class ServerSilent extends CommandFailed {}

/** Where a name has several addresses, the error of all of them has a code and no text. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  return cause.message === '' && 'code' in cause ? String(cause.code) : cause.message
}

/** Where a list goes on, by its `Link` (RFC 8288). */
function cursorOf(link: string | string[] | undefined): string | undefined {
  const [, target] = /<([^>]*)>; *rel="next"/.exec(String(link)) ?? []
  return (target && URL.parse(target, 'http://any')?.searchParams.get('cursor')) || undefined
}

function totalOf(headers: IncomingHttpHeaders): number | undefined {
  const total = headers['x-total-count']
  return total === undefined ? undefined : Number(total)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The sentence of an RFC 9457 problem. */
function detailOf(body: unknown): string | undefined {
  return typeof body === 'object' && body !== null && 'detail' in body && typeof body.detail === 'string'
    ? body.detail
    : undefined
}
