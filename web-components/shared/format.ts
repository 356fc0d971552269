/**
 * Times, spans and counts in words. Instants come as ISO 8601 or ms since the epoch, spans as ms; every span has one
 * form per use, so that a digit changing does not change the width or the unit beside it.
 */
import type { Json } from '../../src/http/wire.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const LOCALE = 'en'

const counts = new Intl.NumberFormat('en-US')

/** "9,872" */
export function count(value: number): string {
  return counts.format(value)
}

/** A log position, grouped; as it is when it is not a number. */
export function position(value: string): string {
  return /^\d+$/.test(value) ? counts.format(BigInt(value)) : value
}

/** How long something took: "120 ms", "5.0 s", "48 s", "6 min 12 s", "3 h 5 min", "2 d 4 h". */
export function duration(ms: number): string {
  if (ms < 100) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 10 * SECOND) return `${(ms / SECOND).toFixed(1)} s`
  return elapsed(ms)
}

/** How long something has gone on, in whole seconds: "0 s", "29 s", "1 min 31 s", "3 h 5 min". */
export function elapsed(ms: number): string {
  const span = Math.max(0, ms)
  if (span < MINUTE) return `${Math.floor(span / SECOND)} s`
  if (span < HOUR) return pair(span, MINUTE, 'min', SECOND, 's')
  if (span < DAY) return pair(span, HOUR, 'h', MINUTE, 'min')
  return pair(span, DAY, 'd', HOUR, 'h')
}

function pair(span: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((span % large) / small)
  return `${Math.floor(span / large)} ${largeUnit}${rest > 0 ? ` ${rest} ${smallUnit}` : ''}`
}

/** In its largest unit: "4 s", "24 min", "3 h", "2 d". For a fact one scans. */
export function rough(ms: number): string {
  const span = Math.max(0, ms)
  if (span < MINUTE) return `${Math.floor(span / SECOND)} s`
  if (span < HOUR) return `${Math.floor(span / MINUTE)} min`
  if (span < DAY) return `${Math.floor(span / HOUR)} h`
  return `${Math.floor(span / DAY)} d`
}

/** What is left, as a clock: "00:08", "24:20", "3:05:00", and past a day "2 d 4 h". Never negative. */
export function countdown(ms: number): string {
  // Rounded up: 00:00 must mean now, not within a second.
  const seconds = Math.max(0, Math.ceil(ms / SECOND))
  if (seconds * SECOND >= DAY) return elapsed(ms)
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  const two = (value: number) => String(value).padStart(2, '0')
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${two(m)}:${two(s)}`
}

/** "2 s ago", "3 min ago", "5 d ago". */
export function ago(at: string | number, now: number): string {
  const span = now - millis(at)
  return span < SECOND ? 'just now' : `${rough(span)} ago`
}

const clockForm = new Intl.DateTimeFormat(LOCALE, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
const secondsForm = new Intl.DateTimeFormat(LOCALE, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
})
const zoneForm = new Intl.DateTimeFormat(LOCALE, { timeZoneName: 'short' })
const dayForm = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })
const dayYearForm = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })

/** "14:05" */
export function clock(at: string | number): string {
  return clockForm.format(millis(at))
}

/** "14:05:12" */
export function clockSeconds(at: string | number): string {
  return secondsForm.format(millis(at))
}

/** "Today", "Tomorrow", "Yesterday", "19 Nov", "19 Nov 2025". */
export function day(at: string | number, now: number): string {
  const instant = millis(at)
  const days = Math.round((startOfDay(instant) - startOfDay(now)) / DAY)
  if (days === 0) return 'Today'
  if (days === 1) return 'Tomorrow'
  if (days === -1) return 'Yesterday'
  return (new Date(instant).getFullYear() === new Date(now).getFullYear() ? dayForm : dayYearForm).format(instant)
}

/** The clock for today, else the day: "14:05", "Yesterday", "19 Nov". */
export function clockOrDay(at: string | number, now: number): string {
  const word = day(at, now)
  return word === 'Today' ? clock(at) : word
}

/** The whole instant with its zone: "Today 14:30:00 UTC". */
export function instant(at: string | number, now: number): string {
  return `${day(at, now)} ${clockSeconds(at)} ${zone(millis(at))}`
}

/** The same in the middle of a sentence: "today 14:30:00 UTC". */
export function instantWithin(at: string | number, now: number): string {
  const words = instant(at, now)
  return /^[A-Z]/.test(words) ? words.charAt(0).toLowerCase() + words.slice(1) : words
}

function zone(at: number): string {
  return zoneForm.formatToParts(at).find((part) => part.type === 'timeZoneName')?.value ?? ''
}

function startOfDay(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0)
}

export function millis(at: string | number): number {
  return typeof at === 'number' ? at : Date.parse(at)
}

/** Words that `"…"` need not surround. */
const PLAIN_KEY = /^[A-Za-z_$][\w$]*$/

/** A value on one line, as one would write it: `{ report_id: "weekly", ok: true }`. Cut at `longest` characters. */
export function oneLine(value: Json, longest = 160): string {
  const text = write(value, longest)
  return text.length > longest ? `${text.slice(0, longest - 1).replace(/[\uD800-\uDBFF]$/, '')}…` : text
}

function write(value: Json, budget: number): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{ ', ' }']
  const parts: string[] = []
  let length = 0
  for (const [key, each] of Object.entries(value)) {
    if (length > budget) break
    const name = Array.isArray(value) ? '' : `${PLAIN_KEY.test(key) ? key : JSON.stringify(key)}: `
    const part = name + write(each, budget - length)
    parts.push(part)
    length += part.length
  }
  return parts.length === 0 ? open.trim() + close.trim() : open + parts.join(', ') + close
}

/** The end of an id, enough to tell neighbours apart. */
export function shortId(id: string): string {
  return id.slice(-4)
}

/** "user:local" and "node:node-1" as a person would say them: "local", "node-1". Others keep their kind. */
export function actor(by: string): string {
  const [, kind, name] = /^(user|node):(.+)$/.exec(by) ?? []
  return kind && name ? name : by.replace(':', ' ')
}

/** "1 task", "2 tasks" */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`
}
