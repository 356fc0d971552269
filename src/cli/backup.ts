/** capsule backup: the whole log of one moment in one file, while the app goes on. */
import type { Command } from 'commander'
import {
  type Backup,
  type BackupOptions,
  backupCluster,
  backupDirectory,
  nameOf,
  openEventStoreDB,
  streamPrefix,
} from '../events/index.ts'
import { readEnvironment } from './config.ts'
import { UsageError } from './errors.ts'
import { print } from './output.ts'
import { clusterOf, parsePlace } from './place.ts'
import { counted, ProgressLine, progressText } from './progress.ts'

interface BackupFlags {
  readonly to: string
  readonly from?: string
  readonly data?: string
  readonly app?: string
  readonly json?: boolean
}

export function registerBackup(program: Command): void {
  program
    .command('backup')
    .description('copies the log to a file, verified, while the app runs')
    .requiredOption('--to <path>', 'the file to make, or a directory to make one in')
    .option('--data <directory>', "the log's directory (default: $CAPSULE_DATA or .capsule)")
    .option('--from <url>', 'connection string of a cluster (default: $EVENTSTORE_URL)')
    .option('--app <name>', 'with a cluster: the app whose streams are copied')
    .option('--json', 'prints JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  capsule backup --to ./backups/\n' +
        '  EVENTSTORE_URL=esdb://db:2113?tls=false capsule backup --app jobs --to ./backups/',
    )
    .action(backup)
}

async function backup({ to, from, data, app, json }: BackupFlags): Promise<void> {
  const environment = readEnvironment(process.env)
  if (from !== undefined && data !== undefined)
    throw new UsageError('--from and --data both say what to back up: give one.')
  const { EVENTSTORE_URL: eventstore, CAPSULE_DATA: directory = '.capsule' } = environment
  const given = from ?? data
  const place = given === undefined && eventstore !== undefined ? clusterOf(eventstore) : parsePlace(given ?? directory)
  const line = new ProgressLine()
  const options: BackupOptions = { to, onProgress: (progress) => line.show(progressText(progress)) }
  let made: Backup
  try {
    if ('directory' in place) made = await backupDirectory(place.directory, options)
    else if (app === undefined) throw new UsageError('A cluster may hold several apps: say which with --app <name>.')
    else {
      const store = await openEventStoreDB({ url: place.url, prefix: streamPrefix(app) })
      try {
        made = await backupCluster({ store, called: nameOf(place) }, app, options)
      } finally {
        await store.close()
      }
    }
  } finally {
    line.clear()
  }
  await print(json ? `${JSON.stringify(made)}\n` : `${told(made)}\n`)
}

function told({ file, events, apps, bytes, unfinished }: Backup): string {
  const open = unfinished === 0 ? '' : ` ${counted(unfinished, 'task')} had not ended.`
  return `${file} has ${counted(events, 'event')} of ${apps.join(', ')} (${bytes} bytes), verified.${open}`
}
