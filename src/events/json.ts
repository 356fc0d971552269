/** What others hand in as data. */
import { types } from 'node:util'
import type { JsonValue } from './event.ts'

/** A copy, for whoever may go on to change it. */
export function copyOf<T extends JsonValue | undefined>(value: T): T
export function copyOf(value: JsonValue | undefined): JsonValue | undefined {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((member: JsonValue) => copyOf(member))
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, copyOf(member)]))
}

/** What JSON makes of it: a copy of its own. @throws TypeError of what JSON cannot hold: a bigint, a circle, a Map */
export function plainJson(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value, isPlain(value) ? undefined : orSay) ?? 'null')
}

function isPlain(value: unknown): boolean {
  try {
    return survivesJson(value)
  } catch {
    return false // it nests too deep, or a getter throws
  }
}

/** Of the errors, maps and promises that JSON writes as {}: what an error says, and that the others are lost. */
function orSay(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Error || types.isNativeError(value)) {
    const { name, message, cause } = value
    return Object.assign({ type: name, message }, cause === undefined ? {} : { cause }, value)
  }
  if (types.isPromise(value)) throw new TypeError('JSON keeps nothing of a promise: await it')
  const what = LOST.find(([, is]) => is(value))?.[0]
  if (what) throw new TypeError(`JSON keeps nothing of a ${what}: make a plain object or a list of it`)
  return value
}

const LOST = [
  ['Map', types.isMap],
  ['Set', types.isSet],
  ['WeakMap', types.isWeakMap],
  ['WeakSet', types.isWeakSet],
  ['RegExp', types.isRegExp],
  ['buffer', types.isAnyArrayBuffer],
] as const

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
