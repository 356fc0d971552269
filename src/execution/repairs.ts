/**
 * Puts right what a process left that died: runs that nobody runs any more, and what it had acknowledged in one stream and not
 * come to record in another. Each stream for itself: one that this code cannot read is told of, and left.
 */
import {
  type ActorSystem,
  isEnded,
  type Origin,
  type Report,
  sessionKind,
  taskKind,
  unlessRefused,
} from '../actors/index.ts'
import type { WorkSnapshot } from '../projections/index.ts'
import type { Holding } from './holdings.ts'
import type { LockKeeper } from './locks.ts'
import type { Schedules } from './schedules.ts'
import { leaveUnreadable } from './unreadable.ts'

/** Streams that are looked at together. */
const AT_ONCE = 256

export interface RepairsOptions {
  readonly system: ActorSystem
  readonly node: string
  readonly locks: LockKeeper
  readonly schedules: Schedules
  readonly report: Report
}

export class Repairs {
  readonly #options: RepairsOptions

  constructor(options: RepairsOptions) {
    this.#options = options
  }

  /** What runs, as far as the log says. */
  async running({ running, openTurns }: WorkSnapshot): Promise<readonly Holding[]> {
    const holdings: Holding[] = running.map(({ id, claim, node }) => ({ kind: 'task', key: id, node, claim }))
    const look = async (sessionId: string): Promise<void> => {
      const { turn } = (await this.#options.system.read(sessionKind, sessionId)).state.context
      if (turn) holdings.push({ kind: 'session', key: sessionId, node: turn.node, claim: turn.claim })
    }
    const sessions = openTurns.filter((turn) => turn.running).map(({ sessionId }) => sessionId)
    await this.#forEach(sessions, look, (sessionId) => `looking after the turn of session ${sessionId}`)
    return holdings
  }

  /** For the log's sole owner, which has just started: whatever claims to be running died with the process before. */
  async interruptRunning(work: WorkSnapshot): Promise<void> {
    await this.#forEach(
      await this.running(work),
      (holding) => this.interrupt(holding),
      ({ kind, key }) => `interrupting ${kind} ${key}`,
    )
  }

  /** Resolves also when it has ended meanwhile. */
  async interrupt({ kind, key, claim }: Holding): Promise<void> {
    const { system, node } = this.#options
    const origin: Origin = { by: `node:${node}`, causationId: claim, mustLand: true }
    await unlessRefused(
      kind === 'task'
        ? system.execute(taskKind, key, { type: 'interrupt', claim, cause: 'crash' }, origin)
        : system.execute(sessionKind, key, { type: 'interruptTurn', claim, cause: 'crash' }, origin),
    )
  }

  async locks({ locks }: WorkSnapshot): Promise<void> {
    await this.#forEach(
      locks,
      ({ key }) => this.#options.locks.repair(key),
      ({ key }) => `putting lock ${key} right`,
    )
  }

  async occurrences({ occurrences }: WorkSnapshot): Promise<void> {
    const { schedules } = this.#options
    await this.#forEach(
      occurrences,
      async ({ schedule, due, taskId, status }) => {
        if (status === undefined) await schedules.submit(schedule, due, taskId, undefined)
        else if (isEnded(status)) await schedules.finish(schedule, due, taskId, status)
      },
      ({ schedule, due }) => `following up on the occurrence of ${schedule} due ${due}`,
    )
  }

  async #forEach<T>(items: readonly T[], work: (item: T) => Promise<void>, doing: (item: T) => string): Promise<void> {
    await inBatches(items, (item) => leaveUnreadable(work(item), (error) => this.#options.report(error, doing(item))))
  }
}

export async function inBatches<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += AT_ONCE) {
    await Promise.all(items.slice(start, start + AT_ONCE).map(work))
  }
}
