/** What a server says on standard error while it runs: from LOG_LEVEL on, a line each. How it ends is told at any level. */
import type { Report } from '../actors/index.ts'
import { tellTrouble } from '../app/index.ts'
import { LoopHeld } from '../execution/index.ts'
import type { RequestTold } from '../http/index.ts'
import { onOneLine } from './table.ts'

/** Each says what those before it say, too. */
export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface Lines {
  /** What goes wrong beside any call; that a handler holds the event loop is a warning. */
  readonly report: Report
  /** How far the server is. */
  info(text: string): void
  /** Each request; undefined where nobody wants to know. */
  readonly onRequest: ((request: RequestTold) => void) | undefined
}

export function linesFrom(
  level: LogLevel = 'info',
  write: (line: string) => void = (line) => void process.stderr.write(line),
): Lines {
  const says = (wanted: LogLevel): boolean => LOG_LEVELS.indexOf(wanted) <= LOG_LEVELS.indexOf(level)
  const say = (text: string): void => write(`capsule: ${text}\n`)
  const tell = tellTrouble(write)
  return {
    report(error, doing) {
      if (says(error instanceof LoopHeld ? 'warn' : 'error')) tell(error, doing)
    },
    info(text) {
      if (says('info')) say(text)
    },
    onRequest: says('debug') ? (request) => say(told(request)) : undefined,
  }
}

function told({ method, url, status, ms, user, id }: RequestTold): string {
  const answer = status === undefined ? 'left unanswered' : String(status)
  return onOneLine(`${method} ${url} ${answer} ${ms.toFixed(1)} ms ${user ?? 'nobody'} ${id}`)
}
