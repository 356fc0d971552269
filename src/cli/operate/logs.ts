/** capsule logs: what a job's own code logged, and goes on to log. */
import type { Command } from 'commander'
import { z } from 'zod'
import { logLine } from '../../http/index.ts'
import type { Client } from '../client.ts'
import { print } from '../output.ts'
import { follow, pathOf } from './job.ts'
import { asLines, type OperateFlags, serverOf, withServer } from './server.ts'

interface Flags extends OperateFlags {
  readonly follow?: boolean
}

type LogLine = z.output<typeof logLine>

export function registerLogs(program: Command): void {
  withServer(program.command('logs').description('what a job logged, oldest first'))
    .argument('<id>', 'of the job')
    .option('--follow', 'and what it goes on to log, until it ends')
    .addHelpText('after', '\nExample:\n  capsule logs 01a2b3c4-… --follow')
    .action(logs)
}

async function logs(id: string, flags: Flags): Promise<void> {
  const client = serverOf(flags)
  let shown = 0
  const showNew = async (): Promise<void> => {
    const lines = (await linesOf(client, id)).slice(shown)
    shown += lines.length
    if (lines.length > 0) await print(flags.json ? asLines(lines) : lines.map(told).join(''))
  }
  await showNew()
  if (!flags.follow) return
  // The last look comes after the end, when all is said.
  await follow(client, id, showNew)
}

function linesOf(client: Client, id: string): Promise<readonly LogLine[]> {
  return client.get(`${pathOf(id)}/$logs`, z.array(logLine))
}

/** Several lines stay several; nothing else of what others wrote moves a terminal's cursor. */
function told({ at, attempt, level, message, data }: LogLine): string {
  const said = message.replaceAll(/(?!\n)\p{Cc}/gu, ' ')
  return `${at}  ${attempt}  ${level.padEnd(5)}  ${said}${data === null ? '' : `  ${JSON.stringify(data)}`}\n`
}
