/** capsule jobs: what ran, runs and waits, and one of them in full. */
import type { Command } from 'commander'
import { job as jobSchema } from '../../http/index.ts'
import { parseCount } from '../count.ts'
import { print } from '../output.ts'
import { inColumns, onOneLine } from '../table.ts'
import { type FilterFlags, queryOf, withFilter } from './filter.ts'
import { JOB_HEADING, type Job, jobRow, noteOf, pathOf } from './job.ts'
import { asLines, type OperateFlags, serverOf, withServer } from './server.ts'

interface Flags extends OperateFlags, FilterFlags {
  readonly limit: number
}

export function registerJobs(program: Command): void {
  withServer(withFilter(program.command('jobs').description('the jobs of a running server, newest first')))
    .argument('[id]', 'shows this one in full')
    .option('--limit <count>', 'at most so many', parseCount, 50)
    .addHelpText(
      'after',
      '\nExamples:\n  capsule jobs --status failed timeout --since 1h\n  capsule jobs --task build_report --param report_id=q3\n' +
        '  capsule jobs 01a2b3c4-…',
    )
    .action((id: string | undefined, flags: Flags) => (id === undefined ? list(flags) : show(id, flags)))
}

async function list(flags: Flags): Promise<void> {
  const pages = serverOf(flags).list('/api/v1/jobs', queryOf(flags), jobSchema, flags.limit)
  const jobs: Job[] = []
  let left = ''
  for await (const { items, total, more } of pages) {
    jobs.push(...items)
    if (more) left = `${jobs.length} of ${total ?? 'more'} jobs: --limit shows more.\n`
    // A page at a time for a program; a table is in line only as a whole.
    if (flags.json && !(await print(asLines(items)))) return
  }
  if (flags.json) return
  if (jobs.length === 0) await print('No jobs.\n')
  else if (await print(inColumns([JOB_HEADING, ...jobs.map((job) => jobRow(job))]))) process.stderr.write(left)
}

async function show(id: string, flags: OperateFlags): Promise<void> {
  const job = await serverOf(flags).get(pathOf(id), jobSchema)
  await print(flags.json ? asLines([job]) : inColumns(facts(job)))
}

function facts(job: Job): string[][] {
  const note = noteOf(job)
  const all: [string, string | null][] = [
    ['id', job.id],
    ['task', job.task_name],
    ['status', note === '' ? job.status : `${job.status}, ${note}`],
    ['attempt', `${job.attempt}, ${job.retries} retries allowed, ${job.failures} used`],
    ['params', JSON.stringify(job.params)],
    ['result', job.result === null ? null : JSON.stringify(job.result)],
    ['lock', job.lock_key],
    ['session', job.session_id],
    ['owner', job.owner_id],
    ['tags', job.tags.length === 0 ? null : job.tags.join(', ')],
    ['priority', job.priority === 0 ? null : String(job.priority)],
    ['submitted', job.submitted_at],
    ['due', job.run_at],
    ['started', job.started_at],
    ['finished', job.finished_at],
    ['deadline', job.deadline],
    ['node', job.node],
    ['can be', job.allowed_actions.length === 0 ? null : job.allowed_actions.map((action) => DONE[action]).join(', ')],
    ...(job.error_traceback?.split('\n') ?? []).map((line, i): [string, string] => [i === 0 ? 'trace' : '', line]),
  ]
  return all.flatMap(([name, value]) => (value === null ? [] : [[name, onOneLine(value)]]))
}

const DONE: Readonly<Record<Job['allowed_actions'][number], string>> = {
  cancel: 'cancelled',
  retry: 'retried',
  refresh: 'refreshed',
  delete: 'deleted',
}
