/** capsule replay: a recorded log through the code that is about to be deployed. */
import type { Command } from 'commander'
import { type Parting, type ReplayOutcome, replayLog } from '../app/index.ts'
import { CommandFailed } from './errors.ts'
import { loadApp } from './load-app.ts'
import { type LogFlags, withWhere } from './log.ts'
import { print } from './output.ts'
import { counted, ProgressLine } from './progress.ts'
import { noEvents, openRecorded } from './recorded.ts'

interface Flags extends Omit<LogFlags, 'app'> {
  readonly stream?: string
  readonly json?: boolean
}

export function registerReplay(program: Command): void {
  withWhere(program.command('replay'))
    .description('runs a recorded log through the machines and the declarations of an app, before it is deployed')
    .argument('<app.ts>', 'the file that exports the app, as it is to be deployed')
    .option('--stream <name>', 'only this one, as task-01a2…')
    .addHelpText(
      'after',
      '\nExamples:\n  capsule replay app.ts --data ./data\n' +
        '  capsule replay app.ts --url http://127.0.0.1:3000 --key capsule_…',
    )
    .action(replay)
}

async function replay(file: string, flags: Flags): Promise<void> {
  const { app } = await loadApp(file)
  const recorded = await openRecorded({ ...flags, app: app.name })
  const line = new ProgressLine()
  let outcome: ReplayOutcome
  try {
    const source = { pages: recorded.pages(flags.stream), readStream: recorded.readStream }
    outcome = await replayLog(app, source, (events) => line.show(`${counted(events, 'event')} replayed`))
  } finally {
    line.clear()
    await recorded.close()
  }
  if (outcome.events === 0 && flags.stream !== undefined) throw noEvents(flags.stream)
  if (flags.json) await print(`${JSON.stringify(json(outcome))}\n`)
  else if (outcome.partings.length === 0) await print(told(outcome))
  if (outcome.partings.length === 0) return
  if (!flags.json) throw new CommandFailed(toldPartings(file, outcome.partings))
  process.exitCode = 1
}

function json({ partings, ...counts }: ReplayOutcome) {
  return {
    ok: partings.length === 0,
    ...counts,
    partings: partings.map(({ revision, ...parting }) => ({ ...parting, revision: String(revision) })),
  }
}

function told({ events, streams, open }: ReplayOutcome): string {
  const tasks = open === 1 ? 'The one open task fits' : `The ${open} open tasks fit`
  return (
    `${counted(events, 'event')} of ${counted(streams, 'stream')} lead to states that this code knows.\n` +
    (open === 0 ? '' : `${tasks} what the app declares.\n`)
  )
}

const MOST_TOLD = 20

function toldPartings(file: string, partings: readonly Parting[]): string {
  const lines = partings
    .slice(0, MOST_TOLD)
    .map(({ stream, revision, why }) => `  ${stream}, revision ${revision}: ${why}`)
  const rest = partings.length - lines.length
  if (rest > 0) lines.push(`  … and ${rest} more: --json has them all`)
  return (
    `${counted(partings.length, 'stream')} would not go on under ${file}:\n${lines.join('\n')}\n` +
    'Keep in the code what they need, or cancel them, before it is deployed.'
  )
}
