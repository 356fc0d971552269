/** Under load many facts are of one millisecond, and the text takes longer than all the rest of an event's metadata. */
let last = { ms: Number.NaN, text: '' }

/** A time as events have it: ISO 8601, in milliseconds and UTC, so that texts sort as the times do. */
export function instant(ms: number): string {
  if (ms !== last.ms) last = { ms, text: new Date(ms).toISOString() }
  return last.text
}
