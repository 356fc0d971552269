/**
 * A refusal as an error: what the server said in problem+json, so that callers can show `detail` to a person
 * and tell refusals apart by `code`.
 */
import type { Problem } from '../../src/http/wire.ts'

export class ProblemError extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.detail || problem.title)
    this.name = 'ProblemError'
    this.problem = problem
  }

  /** The last part of `urn:capsule:error:<code>`. */
  get code(): string {
    return this.problem.type.slice('urn:capsule:error:'.length)
  }

  get status(): number {
    return this.problem.status
  }
}

/** A problem the client itself reports, where no server answered. */
export function localProblem(code: string, title: string, detail: string, status = 0): Problem {
  return { type: `urn:capsule:error:${code}`, title, status, detail }
}

/** Whether a JSON value has the shape of problem+json. */
export function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'title' in value && 'status' in value && 'type' in value
}
