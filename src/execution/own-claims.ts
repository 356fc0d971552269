/**
 * Claims in this node's name: a start may be shown by the log before its append is answered, be answered first, or have an
 * answer that is lost. What the log shows and nothing here runs was lost.
 */
export class OwnClaims {
  /** Tasks whose start is on its way to the log. */
  readonly #underWay = new Set<string>()
  /** Claims that run here, and that the log has yet to show. */
  readonly #unseen = new Set<string>()
  /** Claims that the log shows, that somebody asked to cancel before they were answered. */
  readonly #cancelled = new Set<string>()

  begin(taskId: string): void {
    this.#underWay.add(taskId)
  }

  isUnderWay(taskId: string): boolean {
    return this.#underWay.has(taskId)
  }

  /** The append has an answer. */
  settle(taskId: string): void {
    this.#underWay.delete(taskId)
  }

  /** It runs, and the log has not shown it. */
  runsUnseen(claim: string): void {
    this.#unseen.add(claim)
  }

  /** The log shows it. @returns whether something here runs it, or is about to know whether */
  shown(taskId: string, claim: string): boolean {
    return this.#unseen.delete(claim) || this.#underWay.has(taskId)
  }

  cancelOnceAnswered(claim: string): void {
    this.#cancelled.add(claim)
  }

  /** Whether it was asked for; once. */
  takeCancelled(claim: string): boolean {
    return this.#cancelled.delete(claim)
  }
}
