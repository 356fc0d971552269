/**
 * Ties a Lit element to the connection of its `src`, and to one topic of it: subscribes while the element is in
 * the page, follows changes of `src` and params, and re-renders at most once per animation frame.
 */
import type { ReactiveController, ReactiveControllerHost } from 'lit'
import type { Problem, Topic, Topics } from '../../src/http/wire.ts'
import { connect, disconnect } from './connect.ts'
import type { Connection, ConnectionState, Subscription } from './connection.ts'

/** The connection of an element's `src`, held while the element is in the page. */
export class LiveConnection implements ReactiveController {
  connection: Connection | undefined
  protected readonly host: ReactiveControllerHost & Element
  readonly #src: () => string | null | undefined
  #held: string | null | undefined
  #unwatch: (() => void) | undefined
  #frame: number | undefined

  constructor(host: ReactiveControllerHost & Element, src: () => string | null | undefined) {
    this.host = host
    this.#src = src
    host.addController(this)
  }

  get state(): ConnectionState {
    return this.connection?.state ?? { status: 'connecting', since: Date.now(), problem: undefined }
  }

  /** The server's clock, ms. */
  now(): number {
    return this.connection?.now() ?? Date.now()
  }

  /** Joined at the update that follows: only then does the host have what was set on it before its code was loaded. */
  hostConnected(): void {
    this.host.requestUpdate()
  }

  hostUpdate(): void {
    if (!this.host.isConnected || (this.connection && this.#held === this.#src())) return
    this.#leave()
    this.#join()
  }

  hostDisconnected(): void {
    this.#leave()
  }

  /** A frame is enough for eyes; a thousand changes a second must not mean a thousand renders. */
  protected readonly changed = (): void => {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined
      this.host.requestUpdate()
    })
  }

  /** For what follows the connection. */
  protected joined(_connection: Connection): void {}
  protected left(): void {}

  #join(): void {
    this.#held = this.#src()
    this.connection = connect(this.#held)
    this.#unwatch = this.connection.watch(this.changed)
    this.joined(this.connection)
  }

  #leave(): void {
    if (!this.connection) return
    this.left()
    this.#unwatch?.()
    disconnect(this.connection)
    this.connection = undefined
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame)
    this.#frame = undefined
  }
}

export interface LiveTopicOptions<T extends Topic> {
  src: () => string | null | undefined
  topic: T
  /** Undefined: nothing to follow yet. */
  params: () => Topics[T]['params'] | undefined
  /** Data moves on this often (ms) instead of as changes come; 0 or none: as they come. */
  refresh?: () => number
  /** Called with every change as it arrives, before the frame that shows it. */
  onChange?: (data: Topics[T]['data']) => void
}

/** One topic of the connection, re-rendering its host. `data` of the last params stays until the new has come. */
export class LiveTopic<T extends Topic> extends LiveConnection {
  readonly #options: LiveTopicOptions<T>
  #subscription: Subscription<T> | undefined
  #key: string | undefined
  /** What is shown: the subscription's data, as of the last refresh. */
  #last: Topics[T]['data'] | undefined
  /** The params that `#last` is of. */
  #shown: string | undefined
  /** The server that `#last` is of. */
  #base: string | undefined
  #refresh: number | undefined

  constructor(host: ReactiveControllerHost & Element, options: LiveTopicOptions<T>) {
    super(host, options.src)
    this.#options = options
  }

  get data(): Topics[T]['data'] | undefined {
    return this.#last
  }

  /** Params changed and `data` is still that of the old ones. */
  get stale(): boolean {
    return this.#last !== undefined && this.#shown !== this.#key
  }

  get position(): string | undefined {
    return this.#subscription?.position
  }

  get problem(): Problem | undefined {
    return this.#subscription?.problem
  }

  /** Board only: shows other cards of a column. */
  window(column: number, after: number, limit: number): void {
    this.#subscription?.window(column, after, limit)
  }

  override hostUpdate(): void {
    super.hostUpdate()
    if (this.connection) this.#follow(this.connection)
  }

  protected override joined(connection: Connection): void {
    if (this.#base !== connection.base) this.#last = this.#shown = undefined
    this.#base = connection.base
    this.#follow(connection)
  }

  protected override left(): void {
    this.#subscription?.close()
    this.#subscription = undefined
    this.#key = undefined
    window.clearTimeout(this.#refresh)
    this.#refresh = undefined
  }

  #follow(connection: Connection): void {
    const params = this.#options.params()
    const key = params && JSON.stringify(params)
    if (key === this.#key) return
    if (!params) this.#last = undefined
    this.#subscription?.close()
    this.#key = key
    this.#subscription = params && connection.subscribe(this.#options.topic, params, this.#arrived)
  }

  readonly #arrived = (): void => {
    const data = this.#subscription?.data
    if (data !== undefined) this.#options.onChange?.(data)
    const every = this.#options.refresh?.() ?? 0
    // The first data of a subscription is awaited; only what follows can wait.
    if (every <= 0 || this.#awaited) this.#show()
    else this.#refresh ??= window.setTimeout(this.#show, every)
  }

  get #awaited(): boolean {
    return this.#shown !== this.#key
  }

  readonly #show = (): void => {
    window.clearTimeout(this.#refresh)
    this.#refresh = undefined
    const data = this.#subscription?.data
    if (data !== undefined) {
      this.#last = data
      this.#shown = this.#key
    } else if (this.problem) {
      // Refused: what was shown for other params would pass for the answer.
      this.#last = undefined
    }
    this.changed()
  }
}
