/** What a schedule says of itself, in words. Pure functions, so that every sentence is tested. */
import type { Occurrence, Schedule } from '../../src/http/wire.ts'
import { format, jobs } from '../shared/index.ts'

const DAY = 86_400_000

export const SKIP_REASONS: { readonly [reason in NonNullable<Occurrence['reason']>]: string } = {
  overlap: 'The run before it was still going, and overlap is skip',
  missed: 'No node was running when it was due',
  paused: 'The schedule was paused',
}

const SKIP_WORDS: { readonly [reason in NonNullable<Occurrence['reason']>]: string } = {
  overlap: 'overlap',
  missed: 'missed while down',
  paused: 'paused',
}

export const OVERLAP_WORDS: { readonly [overlap in Schedule['overlap']]: string } = {
  skip: 'Skip while the last one runs',
  queue: 'Queue behind the last one',
  parallel: 'Run side by side',
}

export const MISSED_WORDS: { readonly [missed in Schedule['missed']]: string } = {
  skip: 'Skip',
  latest: 'Latest, once after downtime',
  all: 'All of them, in order',
}

/** The line under the strip: what is going on and what did not go well; else how many completed. */
export function summary(last: readonly Occurrence[]): string {
  if (last.length === 0) return 'No runs yet'
  const said: string[] = []
  const newest = last.at(-1)
  if (newest?.status && !jobs.isTerminal(newest.status))
    said.push(`Now ${jobs.STATUS_WORDS[newest.status].toLowerCase()}`)
  const skipped = last.filter((occurrence) => occurrence.decision === 'skipped')
  if (skipped.length > 0) {
    const reasons = [...new Set(skipped.flatMap(({ reason }) => (reason ? [SKIP_WORDS[reason]] : [])))]
    said.push(`${skipped.length} skipped${reasons.length > 0 ? `: ${reasons.join(', ')}` : ''}`)
  }
  for (const status of ['failed', 'timeout', 'cancelled'] as const) {
    const count = last.filter((occurrence) => occurrence.status === status).length
    if (count > 0) said.push(`${count} ${jobs.STATUS_WORDS[status].toLowerCase()}`)
  }
  if (said.length === 0) return `${last.filter(({ status }) => status === 'completed').length} completed`
  return said.join('. ')
}

/** The strip for those who do not see it: every kind of outcome with its count. */
export function outcome(last: readonly Occurrence[]): string {
  const counts = new Map<string, number>()
  for (const occurrence of last) {
    const word = wordOf(occurrence).toLowerCase()
    counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  if (counts.size === 0) return 'No runs yet'
  return `Last ${last.length}, oldest first: ${[...counts].map(([word, count]) => `${count} ${word}`).join(', ')}`
}

/** What became of one occurrence, as a status word. */
export function wordOf(occurrence: Occurrence): string {
  if (occurrence.decision === 'skipped') return 'Skipped'
  return occurrence.status ? jobs.STATUS_WORDS[occurrence.status] : 'Due'
}

/** How it came to be, or why not. */
export function whyOf(occurrence: Occurrence): string {
  if (occurrence.decision === 'skipped')
    return occurrence.reason ? SKIP_REASONS[occurrence.reason] : 'No reason was recorded'
  if (occurrence.trigger === 'manual') return 'Triggered by hand'
  if (occurrence.trigger === 'caught-up') return 'Caught up after downtime'
  return ''
}

/** When it runs next: within a day a span that counts down and the instant, later the instant and the span. */
export function nextWords(nextAt: string, now: number): { lead: string; detail: string } {
  const left = format.millis(nextAt) - now
  if (left <= 0) return { lead: 'Due now', detail: format.instant(nextAt, now) }
  if (left < DAY) return { lead: `in ${format.elapsed(left)}`, detail: format.instant(nextAt, now) }
  return { lead: `${format.day(nextAt, now)} ${format.clock(nextAt)}`, detail: `in ${format.elapsed(left)}` }
}
