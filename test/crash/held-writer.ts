/**
 * The log's writer, held at its fault: where it would kill its process it says so and stops for ever, for other lives of
 * the process are still on their way to theirs. Nothing more is recorded, answered or made known to followers meanwhile,
 * as after the kill, which comes once all are held.
 */
import { flushCompileCache } from 'node:module'
import { HELD, WRITER } from './programs.ts'

process.kill = (): never => {
  flushCompileCache()
  new BroadcastChannel(HELD).postMessage(Number(process.env.CAPSULE_TEST_LIFE))
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

await import(WRITER)
