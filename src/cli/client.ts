/** How the command speaks to a running server: JSON over HTTP, with the key if one was given. */
import type { z } from 'zod'
import type { JsonObject } from '../events/index.ts'
import { CommandFailed, UsageError } from './errors.ts'

/** The flags of every command that can ask a server. */
export interface ServerFlags {
  readonly url?: string
  readonly key?: string
}

const TIMEOUT_MS = 30_000

export class Client {
  readonly #url: string
  readonly #key: string | undefined
  readonly #timeoutMs: number

  /**
   * @param timeoutMs how long an answer may take; default 30 s
   * @throws UsageError for what is no URL of a server
   */
  constructor({
    url,
    key,
    timeoutMs = TIMEOUT_MS,
  }: {
    readonly url: string
    readonly key?: string | undefined
    readonly timeoutMs?: number
  }) {
    this.#timeoutMs = timeoutMs
    const parsed = URL.parse(url)
    if (!parsed || !/^https?:$/.test(parsed.protocol)) {
      throw new UsageError(`--url ${url} is not the address of a server. Give one like http://127.0.0.1:3000.`)
    }
    this.#url = parsed.href.replace(/\/$/, '')
    this.#key = key
  }

  get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    return this.#json('GET', path, schema)
  }

  post<T>(path: string, schema: z.ZodType<T>, body?: JsonObject): Promise<T> {
    return this.#json('POST', path, schema, body)
  }

  async #json<T>(method: string, path: string, schema: z.ZodType<T>, sent?: JsonObject): Promise<T> {
    const { status, text } = await this.#ask(method, path, sent)
    const body = parsed(text)
    if (status >= 400) throw new CommandFailed(`${this.#url} refuses this: ${detailOf(body) ?? `it says ${status}`}`)
    const read = schema.safeParse(body)
    if (read.success) return read.data
    throw new CommandFailed(
      `${this.#url} answers ${path} with something else than this version of capsule knows. Is it a Capsule server, and as new as this command?`,
      { cause: read.error },
    )
  }

  async #ask(
    method: string,
    path: string,
    body: JsonObject | undefined,
  ): Promise<{ readonly status: number; readonly text: string }> {
    try {
      const response = await fetch(this.#url + path, {
        method,
        headers: {
          ...(this.#key === undefined ? {} : { 'x-api-key': this.#key }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(this.#timeoutMs),
      })
      return { status: response.status, text: await response.text() }
    } catch (cause) {
      throw new ServerSilent(`No server answers at ${this.#url}. Start it, or give its address with --url.`, { cause })
    }
  }
}

/** Nobody answered: whether a change was taken is not known. */
export class ServerSilent extends CommandFailed {}

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
