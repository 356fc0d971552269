/** The list of conversations: what each row says, and under which heading it stands. Pure functions. */
import type { JobStatus, Session } from '../../src/http/wire.ts'
import { format } from '../shared/index.ts'

export interface ConversationGroup {
  label: 'Today' | 'Yesterday' | 'Earlier'
  sessions: Session[]
}

/** The sessions that match `query` in title, opening or preview, newest first, by the day of their last change. */
export function groupSessions(sessions: readonly Session[], query: string, now: number): ConversationGroup[] {
  const wanted = query.trim().toLowerCase()
  const groups: ConversationGroup[] = [
    { label: 'Today', sessions: [] },
    { label: 'Yesterday', sessions: [] },
    { label: 'Earlier', sessions: [] },
  ]
  const matching = sessions
    .filter(
      ({ title, opening, preview }) =>
        wanted === '' || [title, opening, preview].some((text) => text?.toLowerCase().includes(wanted)),
    )
    .toSorted((a, b) => b.updated_at.localeCompare(a.updated_at))
  for (const session of matching) {
    const day = format.day(session.updated_at, now)
    const label = day === 'Today' || day === 'Tomorrow' ? 'Today' : day === 'Yesterday' ? 'Yesterday' : 'Earlier'
    groups.find((group) => group.label === label)?.sessions.push(session)
  }
  return groups.filter((group) => group.sessions.length > 0)
}

/** Its title, else what it began with, or what was last said, without the marks of Markdown that a line of a list does not draw. */
export function titleOf({ title, opening, preview }: Session): string {
  return title || (opening ?? preview)?.replace(/`|\*\*/g, '').trim() || 'Conversation'
}

/** The time for today and yesterday, which the heading names; else the day. */
export function timeOf(session: Session, label: ConversationGroup['label'], now: number): string {
  return label === 'Earlier' ? format.day(session.updated_at, now) : format.clock(session.updated_at)
}

/** What its tasks do: those that still live first, then what failed, then what is done. */
export function workOf({ jobs, turn }: Session): { status: JobStatus | null; words: string } {
  const live = [
    ...(jobs.running > 0 ? [`${format.count(jobs.running)} running`] : []),
    ...(jobs.waiting > 0 ? [`${format.count(jobs.waiting)} waiting`] : []),
  ]
  if (live.length > 0) return { status: jobs.running > 0 ? 'running' : 'scheduled', words: live.join(', ') }
  if (turn?.status === 'running') return { status: 'running', words: 'Answering' }
  if (turn?.status === 'queued') return { status: 'pending', words: 'Waiting for its turn' }
  if (jobs.failed > 0) return { status: 'failed', words: `${format.count(jobs.failed)} failed` }
  if (jobs.completed > 0) return { status: 'completed', words: `${format.count(jobs.completed)} completed` }
  return { status: null, words: 'No tasks' }
}
