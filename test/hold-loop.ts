/** For tests of what holds the event loop. */

/** What must be computed to be told from a process that gets no processor, in milliseconds. */
const COMPUTED_MS = 600

/** Holds the event loop for so long, and computes only at first. */
export function holdLoop(ms: number): void {
  const until = performance.now() + ms
  const enough = computed() + COMPUTED_MS
  while (computed() < enough) {}
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.max(0, until - performance.now()))
}

/** By this thread so far, in milliseconds. */
function computed(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
