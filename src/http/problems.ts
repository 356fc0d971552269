/** From an error to what its caller may be told of it: a problem (RFC 9457) with a code of the registry. */
import { z } from 'zod'
import { CapsuleError, InvalidInput } from '../actors/index.ts'
import { ERRORS, type ErrorCode, type ErrorEntry, errorEntry } from './errors.ts'
import type { Problem } from './wire.ts'

/** A refusal of the HTTP layer itself. The message is the problem's detail and says what to do. */
export class HttpRefusal extends CapsuleError {
  readonly code: ErrorCode
  readonly headers: Readonly<Record<string, string>>
  constructor(code: ErrorCode, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail)
    this.code = code
    this.headers = headers
  }
}

/** Fastify's own errors that mean something to a client, by their code. */
const FASTIFY: Readonly<Record<string, { code: ErrorCode; detail: string }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'payload-too-large', detail: 'The body is too large. Send at most 1 MiB.' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: 'unsupported-media-type',
    detail: 'Send the body as JSON, with Content-Type: application/json.',
  },
  FST_ERR_CTP_INVALID_JSON_BODY: { code: 'malformed-json', detail: 'The body is not valid JSON. Check its syntax.' },
}

export interface Answerable {
  readonly problem: Problem
  readonly headers: Readonly<Record<string, string>>
  /** Nobody expected it: worth a line in the log. */
  readonly unexpected: boolean
}

/** What a caller may be told of an error. What it must not see (messages of unexpected errors) stays out. */
export function toProblem(error: unknown, instance?: string): Answerable {
  const { code, detail, issues, headers } = explain(error)
  const entry: ErrorEntry = errorEntry(code) ?? ERRORS.internal
  const problem: Problem = { type: `urn:capsule:error:${code}`, title: entry.title, status: entry.status, detail }
  if (instance !== undefined) problem.instance = instance
  if (issues) problem.errors = issues
  return {
    problem,
    headers: entry.retryAfter === undefined ? headers : { 'retry-after': String(entry.retryAfter), ...headers },
    unexpected: entry.status === 500,
  }
}

interface Explanation {
  code: string
  detail: string
  issues?: { path: string; message: string }[]
  headers: Readonly<Record<string, string>>
}

function explain(error: unknown): Explanation {
  const none = {}
  if (error instanceof z.ZodError) {
    const issues = flatten(error)
    return { code: 'invalid-input', detail: `The request does not fit: ${sentence(issues)}`, issues, headers: none }
  }
  if (error instanceof InvalidInput) {
    return {
      code: error.code,
      detail: error.message,
      issues: error.issues.map((issue) => ({ ...issue })),
      headers: none,
    }
  }
  if (error instanceof HttpRefusal) return { code: error.code, detail: error.message, headers: error.headers }
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    if (errorEntry(error.code)) return { code: error.code, detail: error.message, headers: none }
    const known = FASTIFY[error.code]
    if (known) return { ...known, headers: none }
  }
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') {
    if (error instanceof SyntaxError) return { code: 'malformed-json', detail: `${error.message}.`, headers: none }
    if (error.statusCode < 500) return { code: 'malformed-request', detail: error.message, headers: none }
  }
  return {
    code: 'internal',
    detail: 'Something went wrong here. Try again; if it persists, look in the server’s log for this request id.',
    headers: none,
  }
}

function flatten(error: z.ZodError): { path: string; message: string }[] {
  return error.issues.map((issue) => ({ path: issue.path.map(String).join('.'), message: issue.message }))
}

function sentence(issues: readonly { path: string; message: string }[]): string {
  const said = issues.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join('; ')
  return said.endsWith('.') ? said : `${said}.`
}
