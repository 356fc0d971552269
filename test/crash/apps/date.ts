/**
 * Preloaded into a server (`--import`): while the file named by DATE_SET_BACK is there, every thread's date is an hour
 * earlier, as after somebody corrected the machine's clock. Time that only passes (performance.now, timers) goes on.
 */
import { existsSync } from 'node:fs'

const HOUR_MS = 3_600_000
const file = process.env.DATE_SET_BACK ?? ''
const RealDate = Date
const now = (): number => RealDate.now() - (existsSync(file) ? HOUR_MS : 0)

globalThis.Date = new Proxy(RealDate, {
  get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
  construct: (target, args, created) => Reflect.construct(target, args.length === 0 ? [now()] : args, created),
})
