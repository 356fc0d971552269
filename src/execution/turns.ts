/**
 * Answers messages: each message gets a turn, turns of a conversation run one at a time in order. A turn is claimed by
 * TurnStarted, fenced by its claim, and timed out, like an attempt of a task.
 */
import {
  type ActorSystem,
  AttemptFenced,
  type Clock,
  isUnreadable,
  type Origin,
  type Report,
  type SessionCommand,
  sessionKind,
  type Turn,
  unlessRefused,
} from '../actors/index.ts'
import { factOf, type RecordedEvent, type SessionFact } from '../events/index.ts'
import { CancelledError, describeError, ShutdownError, TimeoutError } from './errors.ts'
import type { Handlers } from './handlers.ts'

export const TURN_TIMEOUT_MS = 10 * 60_000

export interface TurnsOptions {
  readonly system: ActorSystem
  readonly node: string
  readonly handlers: Handlers
  /** Milliseconds to leave the conversation to nodes that come before this one in its order. */
  readonly patience: (sessionId: string) => number
  /** This node was away for so long that its claims may be others'. */
  readonly isLate: () => boolean
  readonly report: Report
}

interface Answering {
  readonly claim: string
  stop(reason: Error): void
  /** Looks whether the turn is still this node's. */
  verify(): Promise<void>
}

export class Turns {
  readonly #options: TurnsOptions
  readonly #clock: Clock
  /** By session: at most one. */
  readonly #answering = new Map<string, Answering>()
  readonly #busy = new Map<string, Promise<void>>()
  /** By session that is busy: the claim that the log showed to have ended, which may have no answer yet. */
  readonly #ended = new Map<string, string>()
  #open = false
  #interrupts = false

  constructor(options: TurnsOptions) {
    this.#options = options
    this.#clock = options.system.clock
  }

  get running(): number {
    return this.#busy.size
  }

  /** Begins to answer; first what was left open. */
  start(sessionIds: Iterable<string>): void {
    this.#open = true
    this.takeUp(sessionIds)
  }

  /** Answers what another node left open, unless this one has not begun, or takes no more. */
  takeUp(sessionIds: Iterable<string>): void {
    for (const sessionId of sessionIds) this.#wake(sessionId)
  }

  stop(): void {
    this.#open = false
  }

  /** Interrupts what runs, or begins after this, and records it, without waiting for handlers. */
  async interruptAll(): Promise<void> {
    this.#interrupts = true
    for (const { stop } of this.#answering.values()) stop(new ShutdownError('The node is stopping.'))
    await this.idle()
  }

  async idle(): Promise<void> {
    while (this.#busy.size > 0) await Promise.all(this.#busy.values())
  }

  /** This node was away for long: whoever lost the claim meanwhile is told before it submits anything. */
  verify(): void {
    for (const [sessionId, { verify }] of this.#answering) {
      verify().catch((error) => this.#options.report(error, `looking after the turn of session ${sessionId}`))
    }
  }

  /** Follows the log: events of sessions in order, each once. */
  follow(sessionId: string, event: RecordedEvent): void {
    const fact = factOf<SessionFact>(event)
    if (fact.type === 'MessageReceived') this.#wakeInOrder(sessionId)
    else if (fact.type === 'TurnStopped') {
      this.#end(sessionId, fact.data.claim, new CancelledError('The turn was stopped.'))
    } else if (fact.type === 'TurnInterrupted') {
      const { claim } = fact.data
      // Others took this node for dead.
      this.#end(sessionId, claim, new AttemptFenced('turn', 'this conversation', claim))
      this.#wakeInOrder(sessionId)
    }
  }

  #end(sessionId: string, claim: string | undefined, reason: Error): void {
    if (claim !== undefined && this.#busy.has(sessionId)) this.#ended.set(sessionId, claim)
    const answering = this.#answering.get(sessionId)
    if (answering && answering.claim === claim) answering.stop(reason)
  }

  #wakeInOrder(sessionId: string): void {
    const wait = this.#options.patience(sessionId)
    if (wait === 0) this.#wake(sessionId)
    else this.#clock.after(wait, () => this.#wake(sessionId))
  }

  /** Answers what waits in the conversation, unless that is going on already. */
  #wake(sessionId: string): void {
    const handler = this.#options.handlers.turn
    if (!this.#open || !handler || this.#busy.has(sessionId)) return
    let isReadable = true
    const answered = this.#answerAll(sessionId, handler)
      .catch((error) => {
        isReadable = !isUnreadable(error)
        this.#options.report(error, `answering in session ${sessionId}`)
      })
      .finally(() => {
        this.#busy.delete(sessionId)
        this.#ended.delete(sessionId)
        // What is known of it ends where this code cannot read on: asking again would be asking for ever.
        if (!isReadable) return
        // A message may have come between the last look and now. While another node answers, the rest is its to do.
        const session = this.#options.system.peek(sessionKind, sessionId)?.context
        if (session && session.queue.length > 0 && !session.turn) this.#wake(sessionId)
      })
    this.#busy.set(sessionId, answered)
  }

  async #answerAll(sessionId: string, handler: NonNullable<Handlers['turn']>): Promise<void> {
    const { system, node } = this.#options
    const origin: Origin = { by: `node:${node}`, mustLand: true }
    while (this.#open) {
      const command = { type: 'startTurn', node, timeoutMs: TURN_TIMEOUT_MS } as const
      const { state, facts } = await system.execute(sessionKind, sessionId, command, origin)
      const { turn } = state.context
      if (facts.length === 0 || !turn) return
      if (this.#ended.get(sessionId) === turn.claim) continue
      if (!this.#interrupts) await this.#answer(sessionId, turn, handler)
      else await this.#record(sessionId, turn.claim, { type: 'interruptTurn', claim: turn.claim, cause: 'drain' })
    }
  }

  async #answer(sessionId: string, turn: Turn, handler: NonNullable<Handlers['turn']>): Promise<void> {
    const { claim, message } = turn
    const { system, isLate } = this.#options
    const controller = new AbortController()
    let endedBy: Error | undefined
    let abandon: (reason: Error) => void = () => {}
    const abandoned = new Promise<never>((_, reject) => {
      abandon = reject
    })
    abandoned.catch(() => {})
    const stop = (reason: Error): void => {
      if (endedBy) return
      endedBy = reason
      controller.abort(reason)
      abandon(reason)
    }
    let verified: Promise<void> = Promise.resolve()
    const verify = (): Promise<void> => {
      const looked = system.read(sessionKind, sessionId).then(({ state }) => {
        if (state.context.turn?.claim !== claim) stop(new AttemptFenced('turn', 'this conversation', claim))
      })
      verified = looked.catch(() => {}) // whoever asked is told
      return looked
    }
    this.#answering.set(sessionId, { claim, stop, verify })
    const deadline = this.#clock.at(turn.deadline, () =>
      stop(new TimeoutError(`The turn did not end within ${TURN_TIMEOUT_MS / 60_000} minutes.`)),
    )
    let ending: SessionCommand | undefined
    try {
      const confirmCurrent = async (): Promise<void> => {
        await (isLate() ? verify() : verified)
        if (controller.signal.aborted) throw new AttemptFenced('turn', 'this conversation', claim)
      }
      const answered = handler({ sessionId, claim, message, signal: controller.signal, confirmCurrent })
      answered.catch(() => {})
      await Promise.race([answered, abandoned])
      ending = { type: 'completeTurn', claim }
    } catch (error) {
      if (endedBy instanceof TimeoutError) ending = { type: 'interruptTurn', claim, cause: 'timeout' }
      else if (endedBy instanceof ShutdownError) ending = { type: 'interruptTurn', claim, cause: 'drain' }
      else if (!endedBy) ending = { type: 'failTurn', claim, error: describeError(error, true) }
    } finally {
      deadline.cancel()
      this.#answering.delete(sessionId)
    }
    if (ending) await this.#record(sessionId, claim, ending)
  }

  async #record(sessionId: string, claim: string, ending: SessionCommand): Promise<void> {
    const { system, node } = this.#options
    const origin: Origin = { by: `node:${node}`, causationId: claim, mustLand: true }
    // Refused: the turn was stopped meanwhile.
    await unlessRefused(system.execute(sessionKind, sessionId, ending, origin))
  }
}
