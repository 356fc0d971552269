/**
 * The topics of the live protocol: the query behind each, its data and changes as they cross the wire, and which
 * change may take the place of an earlier one that a slow client has not been sent yet. Progress and streamed text are
 * replaced so; a transition never is.
 */
import { z } from 'zod'
import type { RunningApp } from '../app/index.ts'
import type { JobView, SessionView, WatchTopics } from '../projections/index.ts'
import { boardQuery } from './board.ts'
import { findJob, findSession } from './own.ts'
import * as schemas from './schemas/index.ts'
import * as out from './serialise.ts'
import type { User } from './users.ts'
import type * as Wire from './wire.ts'

export interface TopicRules<T extends Wire.Topic> {
  readonly params: z.ZodType<Wire.Topics[T]['params']>
  /** The question for the read models. `user` is who asks. */
  query(params: Wire.Topics[T]['params'], user: User): WatchTopics[T]['params']
  /** Waits for what this node has acknowledged of it. @throws NotFound when there is nothing to follow */
  ready?(app: RunningApp, params: Wire.Topics[T]['params'], user: User): Promise<unknown>
  data(data: WatchTopics[T]['data'], app: RunningApp): Wire.Topics[T]['data']
  change(change: WatchTopics[T]['change'], app: RunningApp): Wire.Topics[T]['change']
  /** Index of the unsent change that `next` makes superfluous, or -1. */
  replaces(unsent: readonly WatchTopics[T]['change'][], next: WatchTopics[T]['change']): number
}

export const topics: { readonly [T in Wire.Topic]: TopicRules<T> } = {
  board: {
    params: schemas.boardParams,
    query: boardQuery,
    data: out.toBoard,
    change: out.toBoardChange,
    replaces(unsent, next) {
      const index = unsent.findLastIndex(({ column }) => column === next.column)
      const earlier = unsent[index]
      // Only cards that stay where they are, in the state they were in: progress, that is.
      if (!earlier || next.ids || next.count !== earlier.count || next.jobs.length < earlier.jobs.length) return -1
      const news = new Map(next.jobs.map((job) => [job.id, job]))
      const covered = earlier.jobs.every((job) => sameState(job, news.get(job.id)))
      return covered && !earlier.ids ? index : -1
    },
  },

  job: {
    params: z.strictObject({ id: z.string().min(1) }),
    query: (params) => params,
    ready: (app, { id }, user) => findJob(app, id, user),
    data: (view, app) => out.toJob(view, app),
    change: (view, app) => out.toJob(view, app),
    replaces: (unsent, next) => (sameState(unsent.at(-1), next) ? unsent.length - 1 : -1),
  },

  session: {
    params: z.strictObject({ id: z.string().min(1) }),
    query: (params) => params,
    ready: (app, { id }, user) => findSession(app, id, user),
    data: out.toTranscript,
    change: (change) =>
      change.kind === 'session'
        ? { kind: 'session', session: out.toSession(change.session) }
        : { kind: 'item', item: out.toItem(change.item) },
    replaces(unsent, next) {
      if (next.kind === 'session') {
        const index = unsent.findLastIndex(({ kind }) => kind === 'session')
        const earlier = unsent[index]
        return earlier?.kind === 'session' && sameTurn(earlier.session, next.session) ? index : -1
      }
      const { item } = next
      if (item.kind !== 'reply' && item.kind !== 'notice') return -1
      return unsent.findLastIndex((earlier) => earlier.kind === 'item' && earlier.item.id === item.id)
    },
  },

  sessions: {
    params: z.strictObject({}),
    query: (_params, user) => ({ ownerId: user.id }),
    data: (views) => views.map(out.toSession),
    change: ({ session }) => ({ session: out.toSession(session) }),
    replaces(unsent, { session }) {
      const index = unsent.findLastIndex((earlier) => earlier.session.id === session.id)
      const earlier = unsent[index]
      return earlier && sameTurn(earlier.session, session) ? index : -1
    },
  },

  schedules: {
    params: z.strictObject({}),
    query: () => ({}),
    data: (views, app) => views.map((view) => out.toSchedule(view, app)),
    change: out.toSchedule,
    replaces: () => -1,
  },
}

function sameState(a: JobView | undefined, b: JobView | undefined): boolean {
  return a?.id === b?.id && a?.status === b?.status && a?.attempt === b?.attempt && a?.claim === b?.claim
}

function sameTurn(a: SessionView, b: SessionView): boolean {
  return a.turn?.id === b.turn?.id && a.turn?.status === b.turn?.status && a.ended === b.ended
}
