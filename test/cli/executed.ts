/** A command's outcome, in the process that runs it: what it prints there is taken from the process's own output. */
import { execute } from '../../src/cli/program.ts'

export interface Outcome {
  readonly code: number | string
  readonly stdout: string
  readonly stderr: string
}

/** The command with these arguments, run to its end; one at a time. */
export async function executed(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Outcome> {
  const earlier = Object.keys(env).map((name) => [name, process.env[name]] as const)
  Object.assign(process.env, env)
  const said = { stdout: '', stderr: '' }
  const streams = (['stdout', 'stderr'] as const).map((name) => ({
    stream: process[name],
    write: process[name].write,
    name,
  }))
  for (const { stream, name } of streams) {
    stream.write = ((text: string, done?: () => void) => {
      said[name] += text
      done?.()
      return true
    }) as typeof stream.write
  }
  try {
    return { code: await execute(args), ...said }
  } finally {
    for (const { stream, write } of streams) stream.write = write
    for (const [name, value] of earlier) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
    process.exitCode = undefined
  }
}
