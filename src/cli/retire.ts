/** capsule retire: takes out of the log what ended long ago, once it is in an archive. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import type { z } from 'zod'
import { ActorSystem } from '../actors/index.ts'
import { parseDuration, type RetireProgress, type RetireRequest, retireFrom } from '../app/index.ts'
import { assertHere, DataDirectoryInUse, type EventStore, openSqliteStore, type Place } from '../events/index.ts'
import { retirement, toRetirement } from '../http/index.ts'
import { openReadModelsInWorker, type ReadModels } from '../projections/index.ts'
import { clientOf } from './client.ts'
import { parseCount } from './count.ts'
import { CommandFailed, UsageError } from './errors.ts'
import { appOfPlace, type LogFlags, openCluster, placeOfLog, withLog } from './log.ts'
import { print } from './output.ts'
import { counted, ProgressLine } from './progress.ts'

interface Flags extends LogFlags {
  readonly olderThan: string
  readonly archive?: string
  readonly limit?: number
  readonly dryRun?: boolean
  readonly json?: boolean
}

type Retirement = z.output<typeof retirement>

export function registerRetire(program: Command): void {
  withLog(program.command('retire'))
    .description('takes out of the log what ended long ago: to an archive, on record, and then for good')
    .requiredOption('--older-than <duration>', 'what ended longer ago goes, as 90d', parseAge)
    .option('--dry-run', 'says what would go, and changes nothing')
    .option('--archive <directory>', 'where it goes (default: archive in the data directory; a server has its own)')
    .option('--limit <count>', 'at most so many streams', parseCount)
    .addHelpText(
      'after',
      '\nExamples:\n  capsule retire --older-than 90d --dry-run\n' +
        '  capsule retire --older-than 90d --url http://127.0.0.1:3000 --key capsule_…',
    )
    .action(run)
}

async function run(flags: Flags): Promise<void> {
  const line = new ProgressLine()
  let done: Retirement
  try {
    done = await (flags.url === undefined ? here(flags, line) : byServer(flags, flags.url, line))
  } finally {
    line.clear()
  }
  await print(flags.json ? `${JSON.stringify(done)}\n` : told(done))
}

/** A server takes so many at a time that a request has an end. */
const SERVER_TIMEOUT_MS = 10 * 60_000

async function byServer(flags: Flags, url: string, line: ProgressLine): Promise<Retirement> {
  placeOfLog(flags)
  const { archive, olderThan: older_than, dryRun: dry_run = false, limit } = flags
  if (archive !== undefined)
    throw new UsageError('--archive is on the server, which has its own. Leave it out with --url.')
  const client = clientOf(url, flags, SERVER_TIMEOUT_MS)
  if (flags.app !== undefined) await client.app(flags.app)
  let all: Retirement | undefined
  for (;;) {
    const left = limit === undefined ? undefined : limit - (all?.retired ?? 0)
    const body = { older_than, dry_run, ...(left === undefined ? {} : { limit: Math.min(left, MOST_AT_ONCE) }) }
    const next = await client.post('/api/v1/audit/$retire', retirement, body)
    all = all ? added(all, next) : next
    line.show(progress({ looked: 0, retired: all.retired }))
    if (!next.more || dry_run || next.retired === 0 || (limit !== undefined && all.retired >= limit)) return all
  }
}

const MOST_AT_ONCE = 10_000

/** What stays is looked at again each time. */
function added(before: Retirement, next: Retirement): Retirement {
  return {
    ...next,
    retired: before.retired + next.retired,
    events: before.events + next.events,
    bytes: before.bytes + next.bytes,
    completed: before.completed + next.completed,
  }
}

async function here(flags: Flags, line: ProgressLine): Promise<Retirement> {
  const { place, directory } = placeOfLog(flags)
  const app = appOfPlace(place, flags.app)
  const archive = resolve(flags.archive ?? join(directory, 'archive'))
  const opened = await open(place, app)
  try {
    const { store, reads, exclusive } = opened
    const system = new ActorSystem({ app, store, exclusive })
    line.show('reading the log')
    await reads.waitFor(await store.head(), CATCH_UP_MS)
    const request: RetireRequest = {
      olderThan: flags.olderThan,
      archive,
      onProgress: (now) => line.show(progress(now)),
      ...(flags.dryRun ? { dryRun: true } : {}),
      ...(flags.limit === undefined ? {} : { limit: flags.limit }),
    }
    const outcome = await retireFrom({ system, store, reads, by: 'system' }, request)
    return toRetirement(outcome, archive, flags.dryRun ?? false)
  } finally {
    await opened.close()
  }
}

/** However long the log is. */
const CATCH_UP_MS = 24 * 3600_000

interface Opened {
  readonly store: EventStore
  readonly reads: ReadModels
  /** Nobody else appends to the log. */
  readonly exclusive: boolean
  close(): Promise<void>
}

async function open(place: Place, app: string): Promise<Opened> {
  if ('directory' in place) return openDirectory(place.directory, app)
  const store = await openCluster(place.url, app)
  // The read models of this one command: those of a node are the node's.
  const directory = await mkdtemp(join(tmpdir(), 'capsule-retire-'))
  const reads = await openReadModelsInWorker({ app, directory, eventstore: place.url })
  return {
    store,
    reads,
    exclusive: false,
    async close() {
      await reads.close()
      await store.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function openDirectory(directory: string, app: string): Promise<Opened> {
  assertHere(directory, app)
  try {
    const store = await openSqliteStore({ directory })
    const reads = await openReadModelsInWorker({ app, directory, signal: store.signal })
    return {
      store,
      reads,
      exclusive: true,
      async close() {
        await reads.close()
        await store.close()
      },
    }
  } catch (error) {
    if (!(error instanceof DataDirectoryInUse)) throw error
    const who = error.pid === undefined ? 'a process' : `process ${error.pid}`
    throw new CommandFailed(
      `${directory} is in use by ${who}. Let the server that runs there do it: give its address with --url, as http://127.0.0.1:3000.`,
      { cause: error },
    )
  }
}

function progress({ looked, retired }: RetireProgress): string {
  return `${counted(retired, 'stream')} retired${looked > 0 ? `, ${looked} looked at` : ''}`
}

const WHY: Readonly<Record<string, string>> = {
  live: 'ended too late or not at all',
  owed: 'a callback or an onFailure task is not done',
  locked: 'the lock knows it still',
  occurring: 'its schedule does not know of its end',
  about: 'the task that it is about stays',
  unknown: 'newer code wrote to it',
  broken: 'its events are not as they were appended',
  changed: 'it changed meanwhile',
}

function told({ retired, events, bytes, completed, kept, broken, more, archive, dry_run }: Retirement): string {
  const what = `${counted(retired, 'stream')} with ${counted(events, 'event')}`
  const lines = [
    dry_run ? `${what} would go. Nothing was changed.` : `${what} went to ${archive} (${bytes} bytes).`,
    ...(completed > 0 ? [`${counted(completed, 'stream')} of a run that was cut off went as well.`] : []),
    ...Object.entries(kept).map(([why, count]) => `${counted(count, 'stream')} stayed: ${WHY[why] ?? why}.`),
    ...(broken.length > 0 ? [`Look at ${broken.join(', ')} with capsule audit verify.`] : []),
    ...(more ? ['There is more: run it again.'] : []),
  ]
  return `${lines.join('\n')}\n`
}

/**
 * As it was given, for whoever retires: what is no duration is found before anything is opened. Nor are seconds guessed
 * where a unit was forgotten: nearly all there is would go.
 */
function parseAge(text: string): string {
  if (isDuration(text) && /[a-z]/.test(text)) return text
  throw new InvalidArgumentError('Give a time as 90d, 12h or 30m.')
}

function isDuration(text: string): boolean {
  try {
    parseDuration(text)
    return true
  } catch {
    return false
  }
}
