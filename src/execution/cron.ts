/** Cron expressions: five fields, six with seconds, `@daily` and the like; IANA time zones, right through DST changes. */
import { type CronExpression, CronExpressionParser } from 'cron-parser'
import cronstrue from 'cronstrue'

const FORMS =
  'Use five fields ("0 9 * * 1-5"), six with seconds first ("*/10 * * * * *"), or @hourly, @daily, @weekly, @monthly, @yearly.'

/** @throws TypeError that says what is wrong and what to write instead */
export function validateCron(cron: string, timezone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch {
    throw new TypeError(
      `"${timezone}" is not a time zone. Use an IANA name such as Europe/Berlin, or leave it out for UTC.`,
    )
  }
  if (typeof cron !== 'string') throw new TypeError(`The cron expression ${cron} is not text. ${FORMS}`)
  const fields = cron.trim().split(/\s+/).length
  if (!cron.trim().startsWith('@') && fields !== 5 && fields !== 6) {
    throw new TypeError(`The cron expression "${cron}" has ${fields} field${fields === 1 ? '' : 's'}. ${FORMS}`)
  }
  // cron-parser draws it anew each time that it is asked for the next due time.
  if (/\bH\b/.test(cron)) {
    throw new TypeError(
      `The cron expression "${cron}" has an H, which means another time each time. Write a number for it.`,
    )
  }
  try {
    CronExpressionParser.parse(cron.trim(), { tz: timezone })
  } catch (error) {
    throw new TypeError(
      `The cron expression "${cron}" is not valid: ${error instanceof Error ? error.message : error}. ${FORMS}`,
    )
  }
}

/** The first due time after `after` (milliseconds since the epoch), undefined if there is none. */
export function nextDue(cron: string, timezone: string, after: number): number | undefined {
  for (const at of following(cron, timezone, after)) return at
  return undefined
}

const HOUR_MS = 3_600_000
/** cron-parser finds no way over a change of half an hour (Australia/Lord_Howe) within the day before it. */
const MOST_HOURS_STUCK = 48
/** More than any change of the clocks. */
const CHANGE_MS = 3 * HOUR_MS

/** The latest `limit` due times in (after, until], oldest first: just those that `nextDue` gives one by one. */
export function dueBetween(cron: string, timezone: string, after: number, until: number, limit: number): number[] {
  // Going back, cron-parser leaves out what a spring change moved and counts twice what an autumn change repeats: that
  // only tells where to begin.
  let start = until
  let steps = 0
  for (const at of preceding(cron, timezone, until)) {
    start = at
    if (++steps === limit || at <= after) break
  }
  const due: number[] = []
  for (const at of following(cron, timezone, Math.max(after, start - CHANGE_MS))) {
    if (at > until) break
    due.push(at)
  }
  return due.slice(-limit)
}

/** Due times after an instant, until there are no more. */
function* following(cron: string, timezone: string, after: number): Generator<number> {
  const from = (instant: number) => CronExpressionParser.parse(cron, { tz: timezone, currentDate: new Date(instant) })
  let expression = from(after)
  let last = after
  for (let hours = 0; hours <= MOST_HOURS_STUCK; ) {
    const next = nextOf(expression)
    if (next === undefined) expression = from(last + ++hours * HOUR_MS)
    else {
      yield next
      last = next
      hours = 0
    }
  }
}

function nextOf(expression: CronExpression): number | undefined {
  try {
    return expression.next().getTime()
  } catch {
    return undefined
  }
}

/** Due times up to an instant, latest first. */
function* preceding(cron: string, timezone: string, until: number): Generator<number> {
  const expression = CronExpressionParser.parse(cron, { tz: timezone, currentDate: new Date(until + 1) })
  for (;;) {
    try {
      yield expression.prev().getTime()
    } catch {
      return
    }
  }
}

/** The expression in words: "At 09:00 AM, Monday through Friday". */
export function cronInWords(cron: string): string {
  try {
    return cronstrue.toString(cron, { use24HourTimeFormat: true, verbose: false })
  } catch {
    return cron
  }
}
