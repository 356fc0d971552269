/** Cron expressions: five fields, six with seconds, `@daily` and the like; IANA time zones, right through DST changes. */
import { CronExpressionParser } from 'cron-parser'
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
  const fields = cron.trim().split(/\s+/).length
  if (!cron.trim().startsWith('@') && fields !== 5 && fields !== 6) {
    throw new TypeError(`The cron expression "${cron}" has ${fields} field${fields === 1 ? '' : 's'}. ${FORMS}`)
  }
  try {
    CronExpressionParser.parse(cron, { tz: timezone }).next()
  } catch (error) {
    throw new TypeError(
      `The cron expression "${cron}" is not valid: ${error instanceof Error ? error.message : error}. ${FORMS}`,
    )
  }
}

/** The first due time after `after` (milliseconds since the epoch), undefined if there is none. */
export function nextDue(cron: string, timezone: string, after: number): number | undefined {
  try {
    return CronExpressionParser.parse(cron, { tz: timezone, currentDate: new Date(after) })
      .next()
      .getTime()
  } catch {
    return undefined // e.g. the 30th of February: never due
  }
}

/** The latest `limit` due times in (after, until], oldest first. */
export function dueBetween(cron: string, timezone: string, after: number, until: number, limit: number): number[] {
  const due: number[] = []
  const expression = CronExpressionParser.parse(cron, { tz: timezone, currentDate: new Date(until + 1) })
  while (due.length < limit) {
    let at: number
    try {
      at = expression.prev().getTime()
    } catch {
      break
    }
    if (at <= after) break
    if (at <= until) due.unshift(at)
  }
  return due
}

/** The expression in words: "At 09:00 AM, Monday through Friday". */
export function cronInWords(cron: string): string {
  try {
    return cronstrue.toString(cron, { use24HourTimeFormat: true, verbose: false })
  } catch {
    return cron
  }
}
