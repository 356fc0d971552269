/**
 * `capsule` in this process, for what does not need one of its own: a start of one takes a second of processor time. One
 * command at a time, since what it prints is this process's output.
 */
import { executed, type Outcome } from './executed.ts'

export type { Outcome } from './executed.ts'

let before: Promise<unknown> = Promise.resolve()

/**
 * The command with these arguments, run to its end. What it gets in the environment is in this process's meanwhile, and in
 * that of a process which a test beside it starts then.
 */
export function here(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const outcome = before.then(() => executed(args, env))
  before = outcome.catch(() => {})
  return outcome
}
