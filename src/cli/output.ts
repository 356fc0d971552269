/**
 * What the command prints. Its reader may be slow, may leave (`| head`), or be a disk that is full: all of it is handed over
 * before the process ends, and an app that runs is not ended by any of them.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { CommandFailed } from './errors.ts'

/** An error of a stream that nobody hears ends the process; `print` hears its own. */
export function bearOutput(): void {
  for (const out of [process.stdout, process.stderr]) out.on('error', () => {})
}

/**
 * Resolves when it is taken.
 * @returns false when nobody reads any more
 * @throws CommandFailed when it cannot be written
 */
export function print(text: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => {
      if (!error) resolve(true)
      else if ('code' in error && error.code === 'EPIPE') resolve(false)
      else {
        const message = `What this prints cannot be written (${error.message}). Make room, or send it elsewhere.`
        reject(new CommandFailed(message, { cause: error }))
      }
    })
  })
}

/** A reader that does not read must not keep a stopped server. */
const LONGEST_MS = 1000

/** What was written to either stream without waiting is taken. */
export async function handedOver(): Promise<void> {
  const taken = [process.stdout, process.stderr].map(
    (out) => new Promise<void>((resolve) => void out.write('', () => resolve())),
  )
  await Promise.race([Promise.all(taken), pause(LONGEST_MS)])
}
