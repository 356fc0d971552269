/** Instants as they cross the border: as people write them in options, bodies, queries and flags, and as they are told. */
import { instant } from '../events/index.ts'

export function maybeInstant(ms: number | undefined): string | null {
  return ms === undefined ? null : instant(ms)
}

/** The last instant that ISO 8601 writes with four digits of year. */
export const LATEST = Date.parse('9999-12-31T23:59:59.999Z')

const INSTANT = /^(\d{4}-\d{2}-\d{2})(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/

/**
 * Milliseconds since the epoch of an ISO 8601 date, which begins in UTC, or date and time, which without an offset is one of
 * this machine; undefined for anything else. `Date.parse` alone makes an instant of "12", and the 3rd of March of the 31st of
 * February.
 */
export function instantOf(text: string): number | undefined {
  const [, day] = INSTANT.exec(text) ?? []
  const at = day === undefined ? Number.NaN : Date.parse(text)
  if (Number.isNaN(at) || at > LATEST) return undefined
  return new Date(`${day}T00:00:00Z`).toISOString().slice(0, 10) === day ? at : undefined
}
