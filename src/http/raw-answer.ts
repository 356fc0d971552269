/** The answer to what has no reply to answer with: bytes that are no HTTP, and upgrades that are not taken. */
import { toProblem } from './problems.ts'

/** All of an HTTP/1.1 answer that tells the problem, and that nothing more comes. */
export function rawAnswer(error: unknown): string {
  const { problem, headers } = toProblem(error)
  const body = JSON.stringify(problem)
  const lines = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}
