/** Which server is operated, and how its answers are printed. */
import type { Command } from 'commander'
import { type Client, clientOf, type ServerFlags } from '../client.ts'
import { readEnvironment } from '../config.ts'

export interface OperateFlags extends ServerFlags {
  readonly json?: boolean
}

export function withServer(command: Command): Command {
  return command
    .option('--url <url>', 'the server (default: $CAPSULE_URL, or what this machine serves at $PORT or 3000)')
    .option('--key <key>', 'an API key of it (default: $CAPSULE_KEY)')
    .option('--json', 'prints JSON, an object a line')
}

/** A command about one thing that has a name, below the one that lists them all, whose flags it has too. */
export function withName(
  command: Command,
  what: string,
  act: (name: string, flags: OperateFlags) => Promise<void>,
): void {
  withServer(command)
    .argument('<name>', `of the ${what}`)
    .action((name: string, _: unknown, of: Command) => act(name, of.optsWithGlobals()))
}

/** @throws UsageError */
export function serverOf(flags: OperateFlags): Client {
  const { CAPSULE_URL, PORT = 3000 } = readEnvironment(process.env)
  return clientOf(flags.url ?? CAPSULE_URL ?? `http://127.0.0.1:${PORT}`, flags)
}

export function asLines(objects: readonly object[]): string {
  return objects.map((object) => `${JSON.stringify(object)}\n`).join('')
}
