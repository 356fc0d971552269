/**
 * The read side on one thread: the engine, the questions and the live queries over one database. Hosts put it on this
 * thread or on another one, and feed it the log.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Position, RecordedEvent } from '../events/index.ts'
import { type ReadClock, systemClock } from './clock.ts'
import { openProjectionEngine, type ProjectionEngine } from './engine.ts'
import { READ_MODELS } from './models/all.ts'
import { findBoard } from './queries/board.ts'
import { countJobs, findJob, findJobIds, findJobs, tallyJobs } from './queries/jobs.ts'
import { findRetirable } from './queries/retirable.ts'
import { findOccurrences, findSchedule, findSchedules } from './queries/schedules.ts'
import { findSession, findSessions, findTranscript } from './queries/sessions.ts'
import { readLocks } from './queries/work.ts'
import { nothingTouched } from './read-model.ts'
import type { LogPage } from './rebuilds.ts'
import type { ReadModels } from './views.ts'
import { openWatchHub, type WatchHub } from './watch/hub.ts'

/** What is asked with an answer; the rest of ReadModels belongs to the hosts. */
export type QuestionName = Exclude<keyof ReadModels, 'position' | 'waitFor' | 'work' | 'watch' | 'close'>
export type Questions = Pick<ReadModels, QuestionName>
export type Asked<Q extends QuestionName> = Parameters<Questions[Q]>
export type Answer<Q extends QuestionName> = Awaited<ReturnType<Questions[Q]>>

export interface ReadCore {
  readonly engine: ProjectionEngine
  readonly hub: WatchHub
  /** Takes in a batch and tells those who watch. @throws as ProjectionEngine.apply, after telling what was taken in */
  apply(events: readonly RecordedEvent[]): void
  advance(to: Position): void
  /** Takes in a page for the read models that are made again, as ProjectionEngine.takeIn. */
  takeIn(page: LogPage): void
  ask<Q extends QuestionName>(question: Q, ...asked: Asked<Q>): Answer<Q>
}

const MOST_IDS = 1000

export function openReadCore(options: {
  readonly db: DatabaseSync
  readonly app: string
  readonly clock?: ReadClock
}): ReadCore {
  const { app, clock = systemClock } = options
  const engine = openProjectionEngine({ db: options.db, app, models: READ_MODELS })
  const { db } = engine
  const hub = openWatchHub({ db, clock, position: () => engine.position })
  const answers: { readonly [Q in QuestionName]: (...asked: Asked<Q>) => Answer<Q> } = {
    job: (id) => findJob(db, id),
    jobs: (query) => findJobs(db, query, engine.position),
    countJobs: (filter) => countJobs(db, filter),
    tally: () => tallyJobs(db),
    jobIds: (filter, page) => findJobIds(db, filter, { limit: MOST_IDS, ...page }),
    retirable: (query) => findRetirable(db, query),
    board: (query) => findBoard(db, query, engine.position),
    session: (id) => findSession(db, id),
    sessions: (query) => findSessions(db, query, engine.position),
    transcript: (id, query) => findTranscript(db, id, query),
    schedules: () => findSchedules(db),
    schedule: (name) => findSchedule(db, name),
    occurrences: (name, query) => findOccurrences(db, name, query, engine.position),
    locks: () => readLocks(db),
    status: () => engine.status(),
    rebuild(name) {
      engine.rebuild(name)
      return engine.status()
    },
  }
  return {
    engine,
    hub,
    apply(events) {
      const touched = nothingTouched()
      try {
        engine.apply(events, touched)
      } finally {
        hub.changed(touched)
      }
    },
    advance(to) {
      engine.advance(to)
      hub.changed(nothingTouched())
    },
    takeIn(page) {
      if (engine.takeIn(page)) hub.renew()
    },
    ask: (question, ...asked) => answers[question](...asked),
  }
}
