import { describe, expect, test } from 'vitest'
import { cronInWords, dueBetween, nextDue, validateCron } from '../../src/execution/cron.ts'

const ms = (iso: string) => Date.parse(iso)
const iso = (at: number | undefined) => (at === undefined ? undefined : new Date(at).toISOString())

/** The next `count` due times after an instant. */
function following(cron: string, timezone: string, after: string, count: number): (string | undefined)[] {
  const due: (string | undefined)[] = []
  for (let at: number | undefined = ms(after); due.length < count && at !== undefined; ) {
    at = nextDue(cron, timezone, at)
    due.push(iso(at))
  }
  return due
}

describe('the next due time', () => {
  // A promise: see docs/promises.md.
  test.each([
    ['*/15 * * * *', '2026-03-01T12:00:00Z', '2026-03-01T12:15:00.000Z'],
    ['*/10 * * * * *', '2026-03-01T12:00:01Z', '2026-03-01T12:00:10.000Z'],
    ['@daily', '2026-03-01T12:00:00Z', '2026-03-02T00:00:00.000Z'],
    ['@hourly', '2026-03-01T12:00:00Z', '2026-03-01T13:00:00.000Z'],
    ['0 9 * * 1-5', '2026-03-06T09:00:00Z', '2026-03-09T09:00:00.000Z'],
    ['0 0 29 2 *', '2026-03-01T00:00:00Z', '2028-02-29T00:00:00.000Z'],
  ])('of %s after %s', (cron, after, due) => {
    expect(iso(nextDue(cron, 'UTC', ms(after)))).toBe(due)
  })

  test('is never the present one', () => {
    expect(iso(nextDue('0 * * * *', 'UTC', ms('2026-03-01T12:00:00Z')))).toBe('2026-03-01T13:00:00.000Z')
  })
})

describe('in Europe/Berlin', () => {
  // A promise: see docs/promises.md.
  test('nine o’clock stays nine o’clock through both changes', () => {
    expect(following('0 9 * * *', 'Europe/Berlin', '2026-03-27T12:00:00Z', 3)).toEqual([
      '2026-03-28T08:00:00.000Z',
      '2026-03-29T07:00:00.000Z',
      '2026-03-30T07:00:00.000Z',
    ])
    expect(following('0 9 * * *', 'Europe/Berlin', '2026-10-23T12:00:00Z', 3)).toEqual([
      '2026-10-24T07:00:00.000Z',
      '2026-10-25T08:00:00.000Z',
      '2026-10-26T08:00:00.000Z',
    ])
  })

  test('a time that the spring change leaves out is due once that day all the same', () => {
    const due = following('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', 2)
    expect(due).toEqual(['2026-03-29T01:30:00.000Z', '2026-03-30T00:30:00.000Z'])
  })

  test('a time that the autumn change brings twice is due once', () => {
    const due = following('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', 2)
    expect(due).toEqual(['2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z'])
  })

  // It found no next one in the day before, and the schedule stood still until the next start.
  test('a change of half an hour does not end a schedule', () => {
    const due = following('0 1 * * *', 'Australia/Lord_Howe', '2026-04-03T20:00:00Z', 3)
    expect(due).toEqual(['2026-04-04T14:00:00.000Z', '2026-04-05T14:30:00.000Z', '2026-04-06T14:30:00.000Z'])
  })

  test('every hour stays every hour', () => {
    for (const day of ['2026-03-28T22:00:00Z', '2026-10-24T22:00:00Z']) {
      const due = following('0 * * * *', 'Europe/Berlin', day, 8).map((at) => ms(at ?? ''))
      const gaps = due.slice(1).map((at, index) => at - (due[index] ?? 0))
      expect(gaps).toEqual(gaps.map(() => 3_600_000))
    }
  })
})

describe('what was due between', () => {
  test('is after the first instant and not after the second', () => {
    const due = dueBetween('* * * * *', 'UTC', ms('2026-03-01T12:00:00Z'), ms('2026-03-01T12:03:00Z'), 100)
    expect(due.map(iso)).toEqual(['2026-03-01T12:01:00.000Z', '2026-03-01T12:02:00.000Z', '2026-03-01T12:03:00.000Z'])
  })

  test('is the latest so many', () => {
    const due = dueBetween('* * * * *', 'UTC', ms('2026-01-01T00:00:00Z'), ms('2026-03-01T12:03:30Z'), 2)
    expect(due.map(iso)).toEqual(['2026-03-01T12:02:00.000Z', '2026-03-01T12:03:00.000Z'])
  })

  test('is nothing when nothing was', () => {
    expect(dueBetween('@daily', 'UTC', ms('2026-03-01T01:00:00Z'), ms('2026-03-01T02:00:00Z'), 9)).toEqual([])
  })

  test.each(['Europe/Berlin', 'UTC', 'America/St_Johns'])(
    'agrees with the next due times in %s, through the changes',
    (zone) => {
      for (const cron of ['30 2 * * *', '0 9 * * *']) {
        for (const month of ['03', '10', '11']) {
          const [from, until] = [ms(`2026-${month}-01T00:00:00Z`), ms(`2026-${month}-30T12:00:00Z`)]
          const forwards = following(cron, zone, new Date(from).toISOString(), 31).filter((at) => ms(at ?? '') <= until)
          for (const limit of [1000, 5]) {
            expect(dueBetween(cron, zone, from, until, limit).map(iso)).toEqual(forwards.slice(-limit))
          }
        }
      }
    },
  )
})

describe('a declaration', () => {
  test.each([
    ['0 9 * * 1-5', 'Mars/Olympus', /"Mars\/Olympus" is not a time zone. Use an IANA name/],
    ['0 9 * *', 'UTC', /has 4 fields. Use five fields/],
    ['61 * * * *', 'UTC', /is not valid: .* Use five fields/],
    ['@never', 'UTC', /is not valid/],
    ['H 9 * * *', 'UTC', /has an H, which means another time each time/],
    ['0 9 * * H(1-5)/2', 'UTC', /has an H/],
    ['0 0 30 2 *', 'UTC', /is not valid/],
    ['', 'UTC', /Use five fields/],
  ])('of %j in %s is an error that says what to do', (cron, timezone, message) => {
    expect(() => validateCron(cron, timezone)).toThrow(message)
  })

  test('in words', () => {
    expect(cronInWords('0 9 * * 1-5')).toBe('At 09:00, Monday through Friday')
  })
})
