/** capsule cancel and capsule retry: of jobs by their ids, or of all that match. */
import type { Command } from 'commander'
import { z } from 'zod'
import { job as jobSchema } from '../../http/index.ts'
import { type Client, ServerSilent } from '../client.ts'
import { CommandFailed, explain, UsageError } from '../errors.ts'
import { print } from '../output.ts'
import { counted } from '../progress.ts'
import { type FilterFlags, filterOf, isFiltered, withFilter } from './filter.ts'
import { noteOf, pathOf } from './job.ts'
import { asLines, type OperateFlags, serverOf, withServer } from './server.ts'

interface Flags extends OperateFlags, FilterFlags {
  readonly all?: boolean
}

type Change = 'cancel' | 'retry'

export function registerCancel(program: Command): void {
  withChange(program, 'cancel', 'cancels jobs: one that runs is asked to stop; a filter takes those that wait')
    .addHelpText(
      'after',
      '\nExamples:\n  capsule cancel 01a2b3c4-…\n  capsule cancel --task build_report --param report_id=q3',
    )
    .action((ids: readonly string[], flags: Flags) => change('cancel', ids, flags))
}

export function registerRetry(program: Command): void {
  withChange(program, 'retry', 'runs ended jobs again; a filter takes those that failed or timed out')
    .addHelpText('after', '\nExamples:\n  capsule retry 01a2b3c4-…\n  capsule retry --task build_report --since 1d')
    .action((ids: readonly string[], flags: Flags) => change('retry', ids, flags))
}

function withChange(program: Command, name: Change, description: string): Command {
  return withServer(withFilter(program.command(name).description(description)))
    .argument('[id...]', 'of the jobs')
    .option('--all', 'in place of a filter: all there are')
}

async function change(what: Change, ids: readonly string[], flags: Flags): Promise<void> {
  const filtered = isFiltered(flags)
  if (ids.length > 0 && (filtered || flags.all)) {
    throw new UsageError('Ids and a filter both say which jobs. Give one of them.')
  }
  if (filtered && flags.all) throw new UsageError('--all and a filter both say which jobs. Give one of them.')
  if (ids.length === 0 && !filtered && !flags.all) {
    throw new UsageError(`Which jobs? Give ids, a filter as --task, or --all. See capsule ${what} --help.`)
  }
  const client = serverOf(flags)
  if (ids.length > 0) await changeEach(what, ids, client, flags)
  else await changeAll(what, client, flags)
}

/** One that is refused is told of, and holds up none. */
async function changeEach(what: Change, ids: readonly string[], client: Client, flags: Flags): Promise<void> {
  for (const id of ids) {
    try {
      const job = await client.post(`${pathOf(id)}/$${what}`, jobSchema)
      const note = noteOf(job)
      await print(
        flags.json ? asLines([job]) : `${id} ${job.task_name} ${job.status}${note === '' ? '' : `, ${note}`}\n`,
      )
    } catch (error) {
      if (!(error instanceof CommandFailed) || error instanceof ServerSilent) throw error
      process.exitCode = explain(error)
    }
  }
}

const answer = z.union([z.object({ cancelled: z.int() }), z.object({ retried: z.int() })])

async function changeAll(what: Change, client: Client, flags: Flags): Promise<void> {
  const done = await client.post(`/api/v1/jobs/$${what}`, answer, { filter: await filterOf(client, flags) })
  if (flags.json) await print(asLines([done]))
  else if ('cancelled' in done) {
    await print(`${counted(done.cancelled, 'job')} cancelled. What runs goes on: cancel it by its id.\n`)
  } else await print(`${counted(done.retried, 'job')} ${done.retried === 1 ? 'runs' : 'run'} again.\n`)
}
