/** The log that a command is about, opened to read: in a data directory, also while a server has it, or on a cluster. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import {
  appsIn,
  type EventStore,
  nameOf,
  openEventStoreDB,
  openSqliteReader,
  type Place,
  streamPrefix,
} from '../events/index.ts'
import type { ServerFlags } from './client.ts'
import { readEnvironment } from './config.ts'
import { CommandFailed, UsageError } from './errors.ts'
import { clusterOf } from './place.ts'

export interface LogFlags extends ServerFlags {
  readonly data?: string
  readonly app?: string
}

export interface OpenLog extends Pick<EventStore, 'readStream' | 'readAll'> {
  /** Undefined: all apps of a directory. */
  readonly app: string | undefined
  close(): Promise<void>
}

/** The flags by which a command says where: of a server that runs, or of a data directory. */
export function withWhere(command: Command): Command {
  return command
    .option('--url <url>', 'a running server')
    .option('--key <key>', 'an API key of the server, with the scope admin')
    .option('--data <directory>', 'with no server: the data directory (default: $CAPSULE_DATA or .capsule)')
    .option('--json', 'prints JSON')
}

/** The same for a command about one app of a log. */
export function withLog(command: Command): Command {
  return withWhere(command).option('--app <name>', 'whose log it is; needed on a cluster ($EVENTSTORE_URL)')
}

/** @throws UsageError for flags that do not go together */
export function assertOneWhere({ url, key, data }: Pick<LogFlags, 'url' | 'key' | 'data'>): void {
  if (url !== undefined && data !== undefined) throw new UsageError('--url and --data both say where: give one.')
  if (url === undefined && key !== undefined) throw new UsageError('--key is for a server: name it with --url.')
}

/** Where the log is, if it is not a server that is asked. @throws UsageError for flags that do not go together */
export function placeOfLog(flags: LogFlags): { readonly place: Place; readonly directory: string } {
  assertOneWhere(flags)
  const { data } = flags
  const environment = readEnvironment(process.env)
  const directory = resolve(data ?? environment.CAPSULE_DATA ?? '.capsule')
  const { EVENTSTORE_URL: eventstore } = environment
  const place = data === undefined && eventstore !== undefined ? clusterOf(eventstore) : { directory }
  return { place, directory }
}

/** @throws UsageError, CommandFailed, StoreError */
export async function openLog(flags: LogFlags): Promise<OpenLog> {
  const { place } = placeOfLog(flags)
  const { app } = flags
  if ('url' in place) {
    if (app === undefined) throw new UsageError('A cluster may hold several apps: say which with --app <name>.')
    const store = await openCluster(place.url, app)
    return {
      app,
      readStream: (...of) => store.readStream(...of),
      readAll: (...of) => store.readAll(...of),
      close: () => store.close(),
    }
  }
  const apps = assertLog(place.directory)
  if (app !== undefined) assertAmong(apps, app, place.directory)
  const reader = openSqliteReader(place)
  return {
    app,
    readStream: (...of) => reader.readStream(...of),
    readAll: (...of) => reader.readAll(...of),
    close: async () => reader.close(),
  }
}

/** The one that is meant, where a command is about one app. @throws UsageError, CommandFailed */
export function appOfPlace(place: Place, app: string | undefined): string {
  if ('url' in place) {
    if (app !== undefined) return app
    throw new UsageError('A cluster may hold several apps: say which with --app <name>.')
  }
  const apps = assertLog(place.directory)
  if (app !== undefined) return assertAmong(apps, app, place.directory)
  const [only, ...others] = apps
  if (others.length === 0) return only
  throw new UsageError(
    `${place.directory} has the logs of ${[only, ...others].join(', ')}: say which with --app <name>.`,
  )
}

/** The log of one app on a cluster. @throws CommandFailed when it has none there: a name that is misspelt would pass for a log in order */
export async function openCluster(url: string, app: string): Promise<EventStore> {
  const store = await openEventStoreDB({ url, prefix: streamPrefix(app) })
  try {
    const [first] = await store.readAll({ prefixes: [streamPrefix(app)], limit: 1 })
    if (!first) throw new CommandFailed(`${nameOf({ url })} has no events of ${app}. Check the name of the app.`)
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

function assertAmong(apps: readonly string[], app: string, directory: string): string {
  if (apps.includes(app)) return app
  throw new CommandFailed(
    `${directory} has no events of ${app}, only of ${apps.join(', ')}. Check the name of the app.`,
  )
}

function assertLog(directory: string): readonly [string, ...string[]] {
  const [app, ...others] = appsIn(directory)
  if (app !== undefined) return [app, ...others]
  throw new CommandFailed(
    `${directory} has no log. Name the data directory with --data, or a running server with --url.`,
  )
}
