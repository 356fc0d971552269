/** What others hand in as data. */

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
