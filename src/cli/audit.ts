/** capsule audit: proves that a log is as it was written, hands it over, shows what happened. */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import type { z } from 'zod'
import { instantOf } from '../app/index.ts'
import { lineOf, publish, type RecordedEvent, verifyLog } from '../events/index.ts'
import { toVerdict, verdict } from '../http/index.ts'
import { clientOf } from './client.ts'
import { CommandFailed } from './errors.ts'
import { type LogFlags, openLog, placeOfLog, withLog } from './log.ts'
import { print } from './output.ts'
import { counted, ProgressLine } from './progress.ts'
import { noEvents, pages } from './recorded.ts'

interface Flags extends LogFlags {
  readonly json?: boolean
}

type Verdict = z.output<typeof verdict>

export function registerAudit(program: Command): void {
  const audit = program.command('audit').description('proves, hands over and shows what is in the log')
  withLog(audit.command('verify').description('holds every event against its hash chain; names the first break'))
    .option(
      '--archive [directory]',
      'looks there, too, for every stream that was retired (default: archive in the data)',
    )
    .addHelpText('after', '\nExample:\n  capsule audit verify --data ./data --archive')
    .action(verify)
  withLog(audit.command('export').description('writes the log to a file, an event a line'))
    .requiredOption('--to <file.jsonl>', 'the file to make')
    .option('--stream <name>', 'only this one, as task-01a2…')
    .addHelpText('after', '\nExample:\n  capsule audit export --data ./data --to log.jsonl')
    .action(exportLog)
  withLog(audit.command('show').description('what happened in one stream, with when and by whom'))
    .argument('<stream>', 'as task-01a2…, session-…, lock-…')
    .option('--as-of <moment>', 'up to then: a position of the log, or a time as 2026-11-02T14:05:00Z', parseMoment)
    .addHelpText(
      'after',
      '\nExamples:\n  capsule audit show task-01a2b3c4 --data ./data\n' +
        '  capsule audit show session-9 --as-of 2026-11-02T14:05:00Z',
    )
    .action(show)
}

/** A server reads all of its log for this. */
const VERIFY_TIMEOUT_MS = 60 * 60_000

async function verify(flags: Flags & { readonly archive?: string | true }): Promise<void> {
  const found = await (flags.url === undefined ? verifyHere(flags) : verifyThere(flags, flags.url))
  if (flags.json) await print(`${JSON.stringify(found)}\n`)
  else if (found.ok) await print(told(found))
  if (found.broken) {
    if (!flags.json) throw new CommandFailed(toldBreak(found.broken))
    process.exitCode = 1
  }
}

async function verifyThere(flags: Flags & { readonly archive?: string | true }, url: string): Promise<Verdict> {
  placeOfLog(flags)
  if (typeof flags.archive === 'string') {
    throw new CommandFailed('The archive is on the server, which knows where. Write --archive alone with --url.')
  }
  const client = clientOf(url, flags, VERIFY_TIMEOUT_MS)
  if (flags.app !== undefined) await client.app(flags.app)
  return client.get(`/api/v1/audit/$verify?archive=${flags.archive === true}`, verdict)
}

async function verifyHere(flags: Flags & { readonly archive?: string | true }): Promise<Verdict> {
  const { directory } = placeOfLog(flags)
  const log = await openLog(flags)
  const line = new ProgressLine()
  const { archive } = flags
  try {
    return toVerdict(
      await verifyLog(log, {
        onProgress: ({ events }) => line.show(`${counted(events, 'event')} verified`),
        ...(log.app === undefined ? {} : { app: log.app }),
        ...(archive === undefined ? {} : { archive: archive === true ? join(directory, 'archive') : resolve(archive) }),
      }),
    )
  } finally {
    line.clear()
    await log.close()
  }
}

function told({ events, streams, retired, archived, remaining }: Verdict): string {
  const lines = [`${counted(events, 'event')} in ${counted(streams, 'stream')} are as they were appended.`]
  if (retired > 0) {
    const proof = archived === null ? 'give --archive to look for them there' : 'each is in the archive, whole'
    lines.push(`${counted(retired, 'stream')} went from the log: ${proof}.`)
  }
  if (remaining > 0) {
    lines.push(
      `The log still gives ${counted(remaining, 'stream')} of these: a server until its scavenge, else capsule retire ends it.`,
    )
  }
  return `${lines.join('\n')}\n`
}

const FAULTS: Readonly<Record<NonNullable<Verdict['broken']>['reason'], string>> = {
  missing: 'is missing',
  reordered: 'is not in its place',
  altered: 'is not as it was appended',
  unsealed: 'has no hash',
  'not-archived': 'is not there',
  'archive-altered': 'is not as it was written',
}

function toldBreak({ stream, revision, reason, file }: NonNullable<Verdict['broken']>): string {
  const what = revision === null ? `the copy of ${stream}` : `revision ${revision} of ${stream}`
  const where = file === null ? 'In the log' : `In ${file} of the archive`
  return `${where} ${what} ${FAULTS[reason]}. Compare it with a backup from before.`
}

/** Until it is whole it has a name of its own: a part would look like the whole. */
async function exportLog(flags: Flags & { readonly to: string; readonly stream?: string }): Promise<void> {
  const { to } = flags
  if (existsSync(to)) throw cannotBeMade(to, 'it is there already')
  const partial = `${to}.${randomBytes(4).toString('hex')}.partial`
  const file = await open(partial, 'wx').catch((cause) => {
    throw cannotBeMade(to, cause)
  })
  const line = new ProgressLine()
  let events = 0
  try {
    for await (const page of pages(flags, flags.stream)) {
      await file.appendFile(page.map(lineOf).join(''))
      events += page.length
      line.show(`${counted(events, 'event')} written`)
    }
    if (events === 0 && flags.stream !== undefined) throw noEvents(flags.stream)
    await file.sync()
    await file.close()
    await publish(partial, to, 'nothing')
  } catch (error) {
    throw isOfTheDisk(error) ? cannotBeMade(to, error) : error
  } finally {
    line.clear()
    await file.close()
    await rm(partial, { force: true })
  }
  const told = flags.json ? JSON.stringify({ file: to, events }) : `${to} has ${counted(events, 'event')}.`
  await print(`${told}\n`)
}

function cannotBeMade(file: string, cause: unknown): CommandFailed {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new CommandFailed(`${file} cannot be made (${why}). Name another file with --to.`, { cause })
}

function isOfTheDisk(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}

async function show(stream: string, flags: Flags & { readonly asOf?: Moment }): Promise<void> {
  const { asOf } = flags
  let first: RecordedEvent | undefined
  let isShown = false
  for await (const page of pages(flags, stream)) {
    first ??= page[0]
    const events = asOf === undefined ? page : page.filter(asOf)
    isShown ||= events.length > 0
    const lines = events.map((event) => (flags.json ? lineOf(event) : shown(event)))
    if (!(await print(lines.join('')))) return
  }
  if (!first) throw noEvents(stream)
  if (!isShown) {
    const began = `${first.metadata.at}, at position ${first.position}`
    process.stderr.write(`Nothing had happened in ${stream} by then: it began on ${began}.\n`)
  }
}

/** Whether an event had happened by then. */
type Moment = (event: RecordedEvent) => boolean

function parseMoment(text: string): Moment {
  if (/^\d+$/.test(text)) return ({ position }) => position <= BigInt(text)
  const time = instantOf(text)
  if (time === undefined) throw new InvalidArgumentError('Give a position as 1204, or a time as 2026-11-02T14:05:00Z.')
  return ({ metadata }) => Date.parse(metadata.at) <= time
}

function shown({ revision, type, data, metadata }: RecordedEvent): string {
  return `${String(revision).padStart(4)}  ${metadata.at}  ${type}  by ${metadata.by}  ${JSON.stringify(data)}\n`
}
