/** What can be done with a selection: how many would take part, and for those that would not, why. */
import type { Job, JobAction } from '../../src/http/wire.ts'
import { format, jobs } from '../shared/index.ts'

export interface Offer {
  ids: string[]
  /** Why some or all cannot take part; undefined when all can. */
  reason: string | undefined
}

export function offer(selection: readonly Job[], action: 'cancel' | 'retry'): Offer {
  const refused = selection.filter((job) => !jobs.mayDo(job, action))
  const ids = selection.filter((job) => jobs.mayDo(job, action)).map((job) => job.id)
  return { ids, reason: refused.length === 0 ? undefined : reasonFor(refused, action, ids.length === 0) }
}

function reasonFor(refused: readonly Job[], action: JobAction, all: boolean): string {
  const who = all ? 'all' : format.count(refused.length)
  const have = all || refused.length > 1 ? 'have' : 'has'
  const ended = refused.every((job) => jobs.isTerminal(job.status))
  if (action === 'cancel' && ended) return `${who} ${have} ended`
  if (action === 'retry' && refused.every((job) => !jobs.isTerminal(job.status))) return `${who} ${have} yet to end`
  if (action === 'retry' && refused.every((job) => job.status === 'completed')) return `${who} ${have} completed`
  const [first] = refused
  return first ? jobs.refusal(first, action).replace(/\.$/, '') : 'not now'
}

/** How a bulk action went, as a sentence: "Retried 2, 1 refused: …" */
export function outcome(action: 'cancel' | 'retry', done: number, refusals: readonly string[]): string {
  const verb = action === 'cancel' ? 'Cancelled' : 'Retried'
  const [first = 'No reason was given.'] = refusals
  if (done === 0 && refusals.length === 1) return `Not ${verb.toLowerCase()}: ${first}`
  const said = done > 0 ? `${verb} ${format.count(done)}` : ''
  if (refusals.length === 0) return `${said}.`
  const refused = `${said ? `${said}, ` : ''}${format.count(refusals.length)} refused`
  return `${refused}: ${first}`
}
