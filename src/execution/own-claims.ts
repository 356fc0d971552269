/** What the log has said of a task while its start was on its way there. */
interface UnderWay {
  /** The claim that it shows. */
  shown: string | undefined
  /** The task waits for a start once more. */
  waits: boolean
}

/**
 * Claims in this node's name: a start may be shown by the log before its append is answered, be answered first, or have an
 * answer that is lost. What the log shows and nothing here runs was lost.
 */
export class OwnClaims {
  /** Tasks whose start is on its way to the log. */
  readonly #underWay = new Map<string, UnderWay>()
  /** Claims that run here, and that the log has yet to show. */
  readonly #unseen = new Set<string>()
  /** Claims that the log shows, that somebody asked to cancel before they were answered. */
  readonly #cancelled = new Set<string>()

  /** How many starts are on their way to the log. */
  get underWay(): number {
    return this.#underWay.size
  }

  begin(taskId: string): void {
    if (!this.#underWay.has(taskId)) this.#underWay.set(taskId, { shown: undefined, waits: false })
  }

  isUnderWay(taskId: string): boolean {
    return this.#underWay.has(taskId)
  }

  /** The task is to wait for its start, unless one is under way: then it waits for what comes of that. */
  holdBack(taskId: string): boolean {
    const underWay = this.#underWay.get(taskId)
    if (underWay) underWay.waits = true
    return underWay !== undefined
  }

  /** The append has an answer. @returns what the log has said meanwhile */
  settle(taskId: string): Readonly<UnderWay> {
    const underWay = this.#underWay.get(taskId) ?? { shown: undefined, waits: false }
    this.#underWay.delete(taskId)
    return underWay
  }

  /** It runs, and the log has not shown it. */
  runsUnseen(claim: string): void {
    this.#unseen.add(claim)
  }

  /** The log shows it. @returns whether something here runs it, or is about to know whether */
  shown(taskId: string, claim: string): boolean {
    const underWay = this.#underWay.get(taskId)
    if (underWay) underWay.shown = claim
    return this.#unseen.delete(claim) || underWay !== undefined
  }

  cancelOnceAnswered(claim: string): void {
    this.#cancelled.add(claim)
  }

  /** Whether it was asked for; once. */
  takeCancelled(claim: string): boolean {
    return this.#cancelled.delete(claim)
  }
}
