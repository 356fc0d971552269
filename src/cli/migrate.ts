/** capsule migrate: moves the log of an app from a directory to a cluster, or back, and proves that it is the same. */
import type { Command } from 'commander'
import { appsIn, type Copied, migrateLog, nameOf, type Place } from '../events/index.ts'
import { UsageError } from './errors.ts'
import { print } from './output.ts'
import { parsePlace } from './place.ts'
import { counted, ProgressLine, progressText } from './progress.ts'

interface MigrateFlags {
  readonly from: string
  readonly to: string
  readonly app?: string
  readonly json?: boolean
}

export function registerMigrate(program: Command): void {
  program
    .command('migrate')
    .description('moves the log of an app to a cluster, or back, verified; run again it goes on where it was cut off')
    .requiredOption('--from <place>', 'a data directory or a connection string')
    .requiredOption('--to <place>', 'a data directory or a connection string')
    .option('--app <name>', 'whose log it is; needed unless a directory has that of one app')
    .option('--json', 'prints JSON')
    .addHelpText('after', "\nExample:\n  capsule migrate --from .capsule --to 'esdb://db:2113?tls=false'")
    .action(migrate)
}

async function migrate(flags: MigrateFlags): Promise<void> {
  const [from, to] = [parsePlace(flags.from), parsePlace(flags.to)]
  const app = flags.app ?? onlyApp(from)
  const line = new ProgressLine()
  let copied: Copied
  try {
    copied = await migrateLog({ from, to, app, onProgress: (progress) => line.show(progressText(progress)) })
  } finally {
    line.clear()
  }
  const { events, appended } = copied
  const facts = { app, from: nameOf(from), to: nameOf(to), events, appended }
  await print(flags.json ? `${JSON.stringify(facts)}\n` : `${told(facts, to)}\n`)
}

function onlyApp(from: Place): string {
  if ('url' in from) throw new UsageError('A cluster may hold several apps: say which to move with --app <name>.')
  const apps = appsIn(from.directory)
  const [app] = apps
  if (app === undefined) throw new UsageError(`${from.directory} has no log. Name the data directory with --from.`)
  if (apps.length === 1) return app
  throw new UsageError(`${from.directory} has the logs of ${apps.join(', ')}: say which to move with --app <name>.`)
}

function told(facts: { app: string; from: string; to: string; events: number; appended: number }, to: Place): string {
  const { app, from, events, appended } = facts
  const next =
    'url' in to
      ? 'Start it with EVENTSTORE_URL, and not on the old directory.'
      : 'Start it with --data, without EVENTSTORE_URL.'
  return `${facts.to} has all ${counted(events, 'event')} of ${app} from ${from} (${appended} of them new), verified. ${next}`
}
