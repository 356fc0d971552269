/** What others hand in as data. */
import type { JsonValue } from './event.ts'

/** A copy, for whoever may go on to change it. */
export function copyOf<T extends JsonValue | undefined>(value: T): T
export function copyOf(value: JsonValue | undefined): JsonValue | undefined {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((member: JsonValue) => copyOf(member))
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, copyOf(member)]))
}

/** What JSON makes of it: a copy of its own. @throws TypeError of what JSON cannot hold: a bigint, a circle */
export function plainJson(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value) ?? 'null')
}

/** Whether a value comes back from JSON as it went in: plain objects and arrays, no holes, no undefined, no NaN, no -0. */
export function survivesJson(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
    case 'object':
      break
    default:
      return false
  }
  if (value === null) return true
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!survivesJson(value[i])) return false
    return true
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return false
  for (const member of Object.values(value)) if (!survivesJson(member)) return false
  return true
}
