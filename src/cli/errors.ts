/** How the command fails: a sentence on stderr that says what to do, and an exit code: 1 it failed, 2 it was used wrongly. */
import { inspect } from 'node:util'

export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** A failure that is told in one sentence, without a stack. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
}

/** Prints the error and tells the exit code. The stack, and what caused it, only with DEBUG=capsule. */
export function explain(error: unknown, env: NodeJS.ProcessEnv = process.env): 1 | 2 {
  const message = error instanceof Error ? error.message : String(error)
  const stack = env.DEBUG?.split(',').includes('capsule') && error instanceof Error ? `\n${inspect(error)}` : ''
  process.stderr.write(`capsule: ${message}${stack}\n`)
  return error instanceof UsageError ? 2 : 1
}
