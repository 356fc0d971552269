/**
 * Ties a Lit element to one thing of the HTTP API: fetched once the connection is live (so that it is signed in), and
 * again after a reconnect for as long as there was no answer.
 */
import type { ReactiveControllerHost } from 'lit'
import type { Problem } from '../../src/http/wire.ts'
import type { Connection } from './connection.ts'
import { LiveConnection } from './live-topic.ts'
import { ProblemError } from './problem.ts'

export interface LiveResourceOptions {
  src: () => string | null | undefined
  /** From `/`. Undefined: nothing to fetch yet. */
  path: () => string | undefined
}

/** What `path` of the server holds, re-rendering its host when it is there or was refused. */
export class LiveResource<R> extends LiveConnection {
  readonly #path: () => string | undefined
  #answer: { connection: Connection; path: string; data?: R; problem?: Problem } | undefined
  /** What was last asked for: the same is asked again only on another connection, or a newer one. */
  #asked: { connection: Connection; path: string; since: number } | undefined

  constructor(host: ReactiveControllerHost & Element, { src, path }: LiveResourceOptions) {
    super(host, src)
    this.#path = path
  }

  /** Undefined until it has come, and again as soon as `src` or `path` names something else. */
  get data(): R | undefined {
    return this.#current?.data
  }

  /** Why there is no data, when the server said so or could not be reached. */
  get problem(): Problem | undefined {
    return this.#current?.problem
  }

  get #current() {
    const answer = this.#answer
    return answer && answer.connection === this.connection && answer.path === this.#path() ? answer : undefined
  }

  override hostUpdate(): void {
    super.hostUpdate()
    const path = this.#path()
    const { connection, state } = this
    if (!connection || path === undefined || state.status !== 'live' || this.data !== undefined) return
    const { since } = state
    const asked = this.#asked
    if (asked?.connection === connection && asked.path === path && asked.since === since) return
    this.#asked = { connection, path, since }
    void this.#fetch(connection, path)
  }

  async #fetch(connection: Connection, path: string): Promise<void> {
    try {
      this.#answer = { connection, path, data: await connection.rest<R>(path) }
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      this.#answer = { connection, path, problem: error.problem }
    }
    this.host.requestUpdate()
  }
}
