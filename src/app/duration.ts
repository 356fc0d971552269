/** Durations as people write them: a number is seconds, as everywhere in an app definition; text has units. */
import { InvalidInput } from '../actors/index.ts'

export type Duration = number | string

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}
const PART = /(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)/g
const WHOLE = /^\s*(?:\d+(?:\.\d+)?\s*(?:ms|s|m|h|d|w)\s*)+$/

/** Whole milliseconds. @throws InvalidInput that shows how to write one */
export function parseDuration(duration: Duration, what = 'duration'): number {
  const ms = typeof duration === 'number' ? duration * 1000 : parseText(duration)
  if (!Number.isFinite(ms) || ms < 0 || ms > Number.MAX_SAFE_INTEGER) {
    throw new InvalidInput(`"${duration}" is not a duration`, [
      { path: what, message: 'write seconds as a number (120), or text with units: 30s, 10m, 1h30m, 2d' },
    ])
  }
  return Math.round(ms)
}

function parseText(text: string): number {
  if (/^\s*\d+(\.\d+)?\s*$/.test(text)) return Number(text) * 1000
  if (!WHOLE.test(text)) return Number.NaN
  let ms = 0
  for (const [, amount, unit] of text.matchAll(PART)) ms += Number(amount) * (UNITS[unit ?? ''] ?? Number.NaN)
  return ms
}
