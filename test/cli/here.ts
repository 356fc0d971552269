/**
 * `capsule` in this process, for what does not need one of its own: a start of one takes a second of processor time. One
 * command at a time, since what it prints is this process's output.
 */
import { vi } from 'vitest'
import { execute } from '../../src/cli/program.ts'

export interface Outcome {
  readonly code: number | string
  readonly stdout: string
  readonly stderr: string
}

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

async function executed(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Outcome> {
  const earlier = Object.keys(env).map((name) => [name, process.env[name]] as const)
  Object.assign(process.env, env)
  const said = { stdout: '', stderr: '' }
  const listening = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation(((text: string, done?: () => void) => {
      said[name] += text
      done?.()
      return true
    }) as typeof process.stdout.write),
  )
  try {
    return { code: await execute(args), ...said }
  } finally {
    for (const spy of listening) spy.mockRestore()
    for (const [name, value] of earlier) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
    process.exitCode = undefined
  }
}
