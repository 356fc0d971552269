/** The command `capsule`: its subcommands, and the exit code that they come to. */
import { Command, CommanderError } from 'commander'
import { ownVersion } from '../events/index.ts'
import { registerAudit } from './audit.ts'
import { registerBackup } from './backup.ts'
import { addOrigin, parsePort } from './config.ts'
import { registerCreate } from './create.ts'
import { explain, UsageError } from './errors.ts'
import { type KeyFlags, key } from './key.ts'
import { registerManifest } from './manifest.ts'
import { registerMigrate } from './migrate.ts'
import { registerOperate } from './operate/index.ts'
import { untilItsOwnEnd } from './own-end.ts'
import { registerProjections } from './projections.ts'
import { registerReplay } from './replay.ts'
import { registerRestore } from './restore.ts'
import { registerRetire } from './retire.ts'
import { type ServeFlags, serve } from './serve.ts'
import { watch } from './watch.ts'
import { type WorkerFlags, worker } from './worker.ts'

/**
 * Carries out what the arguments say. What goes wrong is told on standard error.
 * @returns the exit code: 0 done, 1 failed, 2 used wrongly
 */
export async function execute(args: readonly string[]): Promise<number | string> {
  process.exitCode = undefined
  try {
    await commandLine().parseAsync(args, { from: 'user' })
    return process.exitCode ?? 0
  } catch (error) {
    // Commander has printed its own.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    return explain(error)
  }
}

/** The command with all below it. */
export function commandLine(): Command {
  const program = new Command('capsule')
    .description('Runs event-sourced apps with a chat, background tasks and schedules.')
    .version(ownVersion(), '-v, --version', 'the version of this command')
    .showHelpAfterError('(capsule --help lists the commands)')
    .exitOverride()
    .hook('preAction', (_, command) => assertNoneEmpty(command))

  program.commandsGroup('Writing and running an app:')
  registerCreate(program)
  registerServe(program)
  registerWorker(program)
  registerManifest(program)
  registerReplay(program)

  program.commandsGroup('Operating a server:')
  registerOperate(program)
  registerKey(program)

  program.commandsGroup('Keeping the log:')
  registerAudit(program)
  registerBackup(program)
  registerRestore(program)
  registerMigrate(program)
  registerRetire(program)
  registerProjections(program)

  return program
}

function registerServe(program: Command): void {
  program
    .command('serve')
    .description('runs an app: API, chat, pages, tasks and schedules')
    .argument('<app.ts>', 'the file that exports the app')
    .option('--port <port>', 'where to listen; 0 takes any free port (default: $PORT or 3000)', parsePort)
    .option('--host <host>', 'address to listen on (default: $HOST or 127.0.0.1)')
    .option('--data <directory>', "the log's directory, or memory (default: $CAPSULE_DATA or .capsule)")
    .option(
      '--origin <origin>',
      'lets pages of another origin use it, as https://shop.example; repeatable (default: $CAPSULE_ORIGINS or none)',
      addOrigin,
    )
    .option('--watch', 'starts again when the file, or one that it imports, changes: for development')
    .addHelpText(
      'after',
      '\nExamples:\n  capsule serve app.ts --port 8080 --data ./data\n  capsule serve app.ts --watch     while you write it',
    )
    .action(async (file: string, { watch: isWatched, ...flags }: ServeFlags & { readonly watch?: true }) => {
      process.exitCode = isWatched ? await watch(file, flags) : await untilItsOwnEnd(serve(file, flags))
    })
}

function registerWorker(program: Command): void {
  program
    .command('worker')
    .description('a node of a cluster that runs tasks and serves nothing; EVENTSTORE_URL says where the log is')
    .argument('<app.ts>', 'the file that exports the app')
    .option('--data <directory>', "this node's own read models (default: $CAPSULE_DATA or .capsule)")
    .addHelpText('after', '\nExample:\n  EVENTSTORE_URL=esdb://db:2113?tls=false capsule worker app.ts --data ./node-2')
    .action(async (file: string, flags: WorkerFlags) => {
      process.exitCode = await untilItsOwnEnd(worker(file, flags))
    })
}

function registerKey(program: Command): void {
  program
    .command('key')
    .description('makes an API key, which a server needs that others can reach')
    .option('--name <name>', 'of its user, who owns what is done with it', 'admin')
    .option('--scope <scope>', 'read, write (their own) or admin (all)', 'admin')
    .option('--file <file>', 'adds what lets the key in to a file, for CAPSULE_AUTH_API_KEYS_FILE')
    .option('--if-none', 'makes none if the file has one already')
    .option('--json', 'prints JSON')
    .addHelpText('after', '\nExample:\n  capsule key --name ann --scope write')
    .action((flags: KeyFlags) => key(flags))
}

/** An empty directory would be this one: what a script meant by a variable is not set there. @throws UsageError */
function assertNoneEmpty(command: Command): void {
  const empty = command.options.find((option) => command.getOptionValue(option.attributeName()) === '')
  if (empty) throw new UsageError(`${empty.long} is empty. Give a value, or leave it out.`)
}
