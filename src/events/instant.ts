/** A time as events have it: ISO 8601, in milliseconds and UTC, so that texts sort as the times do. */
export function instant(ms: number): string {
  return new Date(ms).toISOString()
}
