/**
 * The HTTP half of the client: a request, JSON out, and every failure a ProblemError with a sentence in it,
 * whether the server refused, answered something else, or could not be reached.
 */
import { isProblem, localProblem, ProblemError } from './problem.ts'

export interface RestOptions {
  method?: 'GET' | 'POST'
  token?: string | undefined
}

/**
 * Fetches `path` (from `/`) of the server at `base` and returns its JSON, undefined for an empty answer.
 * @throws ProblemError the server refused, could not be reached, or answered no JSON
 */
export async function rest<T>(base: string, path: string, options: RestOptions = {}): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json, application/problem+json' }
  if (options.token !== undefined) headers.authorization = `Bearer ${options.token}`
  let response: Response
  try {
    response = await fetch(`${base}${path}`, { method: options.method ?? 'GET', headers })
  } catch {
    throw new ProblemError(localProblem('unreachable', 'Not reachable', 'The server could not be reached.'))
  }
  const text = await response.text()
  const json = parse(text)
  if (response.ok && (json !== undefined || text === '')) return json as T
  if (isProblem(json)) throw new ProblemError(json)
  throw new ProblemError(
    localProblem('unexpected-answer', 'Unexpected answer', `The server answered ${response.status}.`, response.status),
  )
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
