/** What every host of the read side does alike. */
import type { Answer, Asked, QuestionName, Questions } from './core.ts'

export type AskCore = <Q extends QuestionName>(question: Q, ...asked: Asked<Q>) => Promise<Answer<Q>>

/** The questions of ReadModels, each handed on to `ask`. */
export function questionsOf(ask: AskCore): Questions {
  return {
    job: (id) => ask('job', id),
    jobs: (query) => ask('jobs', query),
    countJobs: (filter) => ask('countJobs', filter),
    tally: () => ask('tally'),
    jobIds: (filter, page) => ask('jobIds', filter, page),
    retirable: (query) => ask('retirable', query),
    board: (query) => ask('board', query),
    session: (id) => ask('session', id),
    sessions: (query) => ask('sessions', query),
    transcript: (id, query) => ask('transcript', id, query),
    schedules: () => ask('schedules'),
    schedule: (name) => ask('schedule', name),
    occurrences: (name, query) => ask('occurrences', name, query),
    locks: () => ask('locks'),
    status: () => ask('status'),
    rebuild: (name) => ask('rebuild', name),
  }
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** Where trouble goes when nobody asked to be told. */
export function reportError(error: Error): void {
  process.emitWarning(error)
}
