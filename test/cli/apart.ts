/**
 * `capsule` in a process beside that of the test, one command after the other: for what another process is to do, and where
 * Node itself is to load the app, not what runs the tests. After the first a command takes a tenth of what a start takes.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterwards } from '../afterwards.ts'
import { COMPILE_CACHE, ROOT } from '../crash/server.ts'
import type { Sent } from './apart-child.ts'
import type { Outcome } from './executed.ts'

let child: ChildProcess | undefined
let sent = 0

/** The command with these arguments, run to its end. Apps find the package where it is in src. */
export function apart(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  child ??= started()
  const to = child
  const id = ++sent
  const outcome = Promise.withResolvers<Outcome>()
  const listen = (message: { readonly id: number; readonly outcome: Outcome }): void => {
    if (message.id === id) outcome.resolve(message.outcome)
  }
  const end = (): void => outcome.reject(new Error(`The process has ended, before or in ${args.join(' ')}.`))
  to.on('message', listen).on('exit', end)
  to.send({ id, args, env } satisfies Sent)
  return outcome.promise.finally(() => to.off('message', listen).off('exit', end))
}

function started(): ChildProcess {
  const process = fork(join(import.meta.dirname, 'apart-child.ts'), {
    cwd: ROOT,
    execArgv: ['--conditions=capsule-source'],
    env: { ...globalThis.process.env, NODE_COMPILE_CACHE: COMPILE_CACHE },
  })
  process.setMaxListeners(0)
  const exited = once(process, 'exit')
  afterwards(() => {
    child = undefined
    if (process.connected) process.disconnect()
    return exited
  })
  return process
}
