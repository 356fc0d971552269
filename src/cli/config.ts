/** Configuration of the command: flag, environment, default, in this order. Checked at start; unknown names are errors. */
import { z } from 'zod'
import { UsageError } from './errors.ts'

const environment = z.object({
  PORT: z.coerce.number().int().min(0).max(65_535).optional(),
  HOST: z.string().min(1).optional(),
  CAPSULE_DATA: z.string().min(1).optional(),
  CAPSULE_FAULT: z.string().optional(),
  CAPSULE_CALLBACK_SECRET: z.string().min(1).optional(),
  CAPSULE_ALLOW_PRIVATE_CALLBACKS: z.enum(['0', '1']).optional(),
  EVENTSTORE_URL: z.string().optional(),
  LOG_LEVEL: z.enum(['silent', 'error', 'warn', 'info', 'debug']).optional(),
})
export type Environment = z.infer<typeof environment>

const OURS = Object.keys(environment.shape).filter((name) => name.startsWith('CAPSULE_'))

/** @throws UsageError naming the variable and what it must be */
export function readEnvironment(env: NodeJS.ProcessEnv): Environment {
  for (const name of Object.keys(env)) {
    if (!name.startsWith('CAPSULE_') || OURS.includes(name)) continue
    throw new UsageError(`The environment variable ${name} is not known. Did you mean ${nearest(name, OURS)}?`)
  }
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const parsed = environment.safeParse(given)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new UsageError(`The environment variable ${issue?.path.join('.')} is not usable: ${issue?.message}.`)
}

/** The port of a --port flag. @throws UsageError */
export function parsePort(text: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new UsageError(`--port ${text} is not a port: give a number from 0 (any free one) to 65535.`)
}

/** Of the candidates, the one that the fewest edits lead to (Levenshtein's distance, by rows). */
function nearest(word: string, candidates: readonly string[]): string {
  const distance = (other: string): number => {
    let row = Array.from({ length: other.length + 1 }, (_, index) => index)
    for (const [i, letter] of [...word].entries()) {
      const next = [i + 1]
      for (const [j, otherLetter] of [...other].entries()) {
        const replace = (row[j] ?? 0) + (letter === otherLetter ? 0 : 1)
        next.push(Math.min(replace, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
      }
      row = next
    }
    return row.at(-1) ?? 0
  }
  return candidates.toSorted((a, b) => distance(a) - distance(b))[0] ?? ''
}
