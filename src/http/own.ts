/**
 * Jobs and conversations belong to somebody. What is another's is not there: nobody learns that an id exists. Admins see all.
 */
import { NotFound } from '../actors/index.ts'
import type { RunningApp } from '../app/index.ts'
import type { RecordedEvent, StreamKind } from '../events/index.ts'
import type { JobView, SessionView } from '../projections/index.ts'
import { fresh } from './fresh.ts'
import type { User } from './users.ts'

interface Owned {
  readonly job: JobView
  readonly session: SessionView
}

interface Kind<View> {
  readonly stream: StreamKind
  view(app: RunningApp, id: string): Promise<View | undefined>
}

const KINDS: { readonly [What in keyof Owned]: Kind<Owned[What]> } = {
  job: { stream: 'task', view: (app, id) => app.reads.job(id) },
  session: { stream: 'session', view: (app, id) => app.reads.session(id) },
}

/** The job as it is, with what this node has acknowledged for it. @throws NotFound */
export function findJob(app: RunningApp, id: string, user: User): Promise<JobView> {
  return find('job', app, id, user)
}

/** The conversation as it is, with what this node has acknowledged for it. @throws NotFound */
export function findSession(app: RunningApp, id: string, user: User): Promise<SessionView> {
  return find('session', app, id, user)
}

/** Before a command: a job may be one's own that no view shows. @throws NotFound */
export function assertOwnJob(app: RunningApp, user: User, id: string): Promise<void> {
  return assertOwn('job', app, id, user)
}

/** As {@link assertOwnJob}. With `create`, one that is not there yet is as good as one's own. @throws NotFound */
export function assertOwnSession(app: RunningApp, user: User, id: string, create = false): Promise<void> {
  return assertOwn('session', app, id, user, create)
}

async function find<What extends keyof Owned>(what: What, app: RunningApp, id: string, user: User) {
  const { stream, view } = KINDS[what]
  await fresh(app, stream, id)
  const found = await view(app, id)
  if (!found || !(user.scope === 'admin' || user.id === found.ownerId)) throw new NotFound(what, id)
  return found
}

async function assertOwn(what: keyof Owned, app: RunningApp, id: string, user: User, create = false): Promise<void> {
  if (user.scope === 'admin') return
  const { stream, view } = KINDS[what]
  await fresh(app, stream, id)
  // Views lag behind other nodes, and a deleted job has none: the log knows.
  const owner = (await view(app, id))?.ownerId ?? recordedOwner((await app.history(stream, id, { limit: 1 }))[0])
  if (owner === user.id || (owner === undefined && create)) return
  throw new NotFound(what, id)
}

function recordedOwner(first: RecordedEvent | undefined): string | undefined {
  const { ownerId } = (first?.data ?? {}) as { readonly ownerId?: unknown }
  return typeof ownerId === 'string' ? ownerId : undefined
}
