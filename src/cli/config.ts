/** Configuration of the command: flag, environment, default, in this order. Checked at start; unknown names are errors. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { type ApiKey, parseOrigin, readKeys, type ServerOptions } from '../http/index.ts'
import { UsageError } from './errors.ts'
import { LOG_LEVELS } from './log-level.ts'

const apiKeys = z.string().transform((text, context): readonly ApiKey[] => {
  try {
    return readKeys(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: reason(error) })
    return z.NEVER
  }
})

const origins = z.string().transform((text, context): readonly string[] => {
  try {
    return text
      .split(',')
      .filter((part) => part.trim() !== '')
      .map(parseOrigin)
  } catch (error) {
    context.addIssue({ code: 'custom', message: reason(error) })
    return z.NEVER
  }
})

const environment = z.object({
  PORT: z.string().transform(port).optional(),
  HOST: z.string().min(1).optional(),
  CAPSULE_DATA: z.string().min(1).optional(),
  CAPSULE_AUTH_API_KEYS: apiKeys.optional(),
  CAPSULE_AUTH_API_KEYS_FILE: z.string().min(1).transform(contents).pipe(apiKeys).optional(),
  CAPSULE_AUTH_SECRET: z.string().min(32, 'give 32 characters or more, of random').optional(),
  CAPSULE_ORIGINS: origins.optional(),
  CAPSULE_URL: z.string().optional(),
  CAPSULE_KEY: z.string().optional(),
  CAPSULE_FAULT: z.string().optional(),
  CAPSULE_CALLBACK_SECRET: z.string().min(1).optional(),
  CAPSULE_ALLOW_PRIVATE_CALLBACKS: z.enum(['0', '1']).optional(),
  EVENTSTORE_URL: z.string().optional(),
  LOG_LEVEL: z.enum(LOG_LEVELS).optional(),
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

/** Who is let in, as the environment says; undefined when it names no key. @throws UsageError when it does so twice */
export function authOf(environment: Environment): ServerOptions['auth'] {
  const { CAPSULE_AUTH_API_KEYS: given, CAPSULE_AUTH_API_KEYS_FILE: inFile, CAPSULE_AUTH_SECRET: secret } = environment
  if (given && inFile) {
    throw new UsageError('CAPSULE_AUTH_API_KEYS and CAPSULE_AUTH_API_KEYS_FILE are both set. Unset one of them.')
  }
  const keys = given ?? inFile
  return keys && { keys, ...(secret === undefined ? {} : { secret }) }
}

function contents(path: string, context: z.RefinementCtx): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    context.addIssue({ code: 'custom', message: `${path} cannot be read (${reason(error)})` })
    return z.NEVER
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The port of a --port flag. @throws UsageError */
export function parsePort(text: string): number {
  const port = portOf(text)
  if (port !== undefined) return port
  throw new UsageError(`--port ${text} is not a port: ${A_PORT}.`)
}

/** One more --origin flag. @throws UsageError */
export function addOrigin(text: string, before: readonly string[] = []): readonly string[] {
  try {
    return [...before, parseOrigin(text)]
  } catch (error) {
    throw new UsageError(`--origin ${reason(error)}.`)
  }
}

const A_PORT = 'give a number from 0 (any free one) to 65535'

function port(text: string, context: z.RefinementCtx): number {
  const port = portOf(text)
  if (port !== undefined) return port
  context.addIssue({ code: 'custom', message: A_PORT })
  return z.NEVER
}

/** Digits only: for Number, nothing at all is 0, any free one. */
function portOf(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  return port <= 65_535 ? port : undefined
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
