/** capsule submit: gives a running server something to do, and waits for it if that is wanted. */
import { randomUUID } from 'node:crypto'
import { type Command, InvalidArgumentError } from 'commander'
import type { JsonObject, JsonValue } from '../../events/index.ts'
import { job as jobSchema, type SubmitBody } from '../../http/index.ts'
import { type Client, ServerSilent } from '../client.ts'
import { CommandFailed } from '../errors.ts'
import { print } from '../output.ts'
import { ProgressLine } from '../progress.ts'
import { onOneLine } from '../table.ts'
import { follow, type Job, noteOf } from './job.ts'
import { type Named, parseNamed, readParams, taskPath, typed } from './params.ts'
import { asLines, type OperateFlags, serverOf, withServer } from './server.ts'

interface Flags extends OperateFlags {
  readonly param?: Named
  readonly delay?: string
  readonly runAt?: string
  readonly priority?: number
  readonly session?: string
  readonly callbackUrl?: string
  readonly idempotencyKey?: string
  readonly wait?: boolean
}

export function registerSubmit(program: Command): void {
  withServer(program.command('submit').description('submits a task to a running server'))
    .argument('<task>', 'its name, as capsule tasks shows it')
    .argument('[params]', 'its input: a JSON object, or - for one on standard input')
    .option('--param <name=value>', 'one value of the input, as text or JSON; repeatable', parseNamed)
    .option('--delay <duration>', 'runs it so much later, as 10m')
    .option('--run-at <time>', 'runs it then, as 2026-11-02T09:00:00Z')
    .option('--priority <number>', 'higher goes first (default: the task’s)', parsePriority)
    .option('--session <id>', 'the conversation that it replies to')
    .option('--callback-url <url>', 'gets the job by POST when a run has ended')
    .option('--idempotency-key <key>', 'with the same one it is the same job')
    .option('--wait', 'shows its progress, and ends as it does: 0 if it completed, 1 if not')
    .addHelpText(
      'after',
      '\nExamples:\n  capsule submit build_report --param report_id=q3 --wait\n' +
        '  capsule submit build_report \'{"report_id": "q3"}\' --delay 10m',
    )
    .action(submit)
}

async function submit(task: string, params: string | undefined, flags: Flags): Promise<void> {
  const client = serverOf(flags)
  const input = {
    ...(params === undefined ? {} : await readParams(params)),
    ...(flags.param === undefined ? {} : await typed(client, task, flags.param)),
  }
  const job = await submitted(client, task, input, flags)
  if (!flags.wait) {
    const joined = job.joined ? ' joined:' : ''
    await print(flags.json ? asLines([job]) : `${job.id} ${job.task_name}${joined} ${job.status}\n`)
    return
  }
  const ended = await waitFor(client, job.id)
  if (flags.json) await print(asLines([ended]))
  else if (ended.status === 'completed') await print(told(ended))
  if (ended.status === 'completed') return
  if (!flags.json) throw new CommandFailed(toldFailure(ended))
  process.exitCode = 1
}

async function submitted(client: Client, task: string, params: JsonObject, flags: Flags): Promise<Job> {
  const { delay, priority, idempotencyKey: key = randomUUID() } = flags
  // Every field of the body; JSON leaves out what no flag says.
  const body: Record<keyof SubmitBody, JsonValue | undefined> = {
    params,
    session_id: flags.session,
    delay,
    run_at: flags.runAt,
    priority,
    callback_url: flags.callbackUrl,
  }
  try {
    return await client.post(`${taskPath(task)}/$submit`, jobSchema, body, key)
  } catch (error) {
    if (!(error instanceof ServerSilent)) throw error
    const again = `If it was taken is not known: with --idempotency-key ${key} it is the same job, not another.`
    throw new CommandFailed(`${error.message} ${again}`, { cause: error })
  }
}

async function waitFor(client: Client, id: string): Promise<Job> {
  const line = new ProgressLine()
  try {
    return await follow(client, id, (job) => line.show(onOneLine(`${job.task_name} ${job.status} ${noteOf(job)}`)))
  } finally {
    line.clear()
  }
}

function told(job: Job): string {
  const result = job.result === null ? '' : `: ${JSON.stringify(job.result)}`
  return `${job.id} ${job.task_name} completed ${noteOf(job)}${result}\n`
}

function toldFailure(job: Job): string {
  const note = noteOf(job)
  const why = note === '' ? '' : ` (${onOneLine(note)})`
  return `${job.task_name} ended as ${job.status}${why}. See capsule jobs ${job.id}, or capsule logs ${job.id}.`
}

function parsePriority(text: string): number {
  const priority = Number(text)
  if (text.trim() !== '' && Number.isSafeInteger(priority)) return priority
  throw new InvalidArgumentError('Give a whole number, as 10 or -5.')
}
