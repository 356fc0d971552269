/** The read models that a command is about: a running server's, or those in a data directory that nobody has open. */
import { resolve } from 'node:path'
import { z } from 'zod'
import {
  appOf,
  DataDirectoryInUse,
  type DirectoryLock,
  type EventStore,
  lockDirectory,
  openEventStoreDB,
  openSqliteReader,
  streamPrefix,
} from '../events/index.ts'
import { type ReadModelWire, readModel, toReadModel } from '../http/index.ts'
import { openReadModelsInWorker, type ReadModels, readStored } from '../projections/index.ts'
import { type Client, clientOf, type ServerFlags, ServerSilent } from './client.ts'
import { readEnvironment } from './config.ts'
import { CommandFailed } from './errors.ts'
import { assertOneWhere } from './log.ts'

export interface WhereFlags extends ServerFlags {
  readonly data?: string
}

export interface Seen {
  /** Position of the last event in the log; null while that is not known. */
  readonly head: string | null
  readonly models: readonly ReadModelWire[]
}

export interface ReadModelsOf {
  /** @throws CommandFailed when nobody answers any more, or they cannot go on */
  look(): Promise<Seen>
  /** Begins to make one or all again. @throws CommandFailed, UnknownReadModel */
  rebuild(name: string | undefined): Promise<void>
  close(): Promise<void>
}

/** @throws UsageError, CommandFailed */
export async function openReadModelsOf(flags: WhereFlags): Promise<ReadModelsOf> {
  assertOneWhere(flags)
  const { url, data } = flags
  return url === undefined ? openDirectory(data) : ofServer(clientOf(url, flags))
}

const system = z.object({ head: z.string().nullable(), read_models: z.array(readModel) })

function ofServer(client: Client): ReadModelsOf {
  let begun = false
  return {
    async look() {
      try {
        const { head, read_models: models } = await client.get('/api/v1/system', system)
        return { head, models }
      } catch (error) {
        if (!begun || !(error instanceof ServerSilent)) throw error
        throw new CommandFailed(
          'The server does not answer any more. What it was making again goes on when it is started; see capsule projections status.',
          { cause: error },
        )
      }
    },
    async rebuild(name) {
      const which = name === undefined ? '' : `/${encodeURIComponent(name)}`
      await client.post(`/api/v1/system/read-models${which}/$rebuild`, z.unknown())
      begun = true
    },
    close: async () => {},
  }
}

interface Log extends Pick<EventStore, 'head'> {
  readonly app: string
  close(): Promise<void>
}

async function openDirectory(data: string | undefined): Promise<ReadModelsOf> {
  const environment = readEnvironment(process.env)
  const directory = resolve(data ?? environment.CAPSULE_DATA ?? '.capsule')
  const { EVENTSTORE_URL: eventstore } = environment
  const stored = () => readStored(directory)
  const { app } = stored()
  const log = eventstore === undefined ? await openFile(directory, app) : await openCluster(directory, app, eventstore)
  let lock: DirectoryLock
  try {
    lock = take(directory)
  } catch (error) {
    await log.close()
    throw error
  }
  let reads: ReadModels | undefined
  let failure: Error | undefined
  const onError = (error: Error) => {
    // An event that cannot be taken in keeps them where they are; anything else is tried again.
    if ('code' in error && error.code === 'poison-event') failure = error
    else process.stderr.write(`capsule: ${error.message}\n`)
  }
  return {
    async look() {
      if (failure !== undefined) throw failure
      const head = await log.head()
      return { head: String(head), models: (await (reads?.status() ?? stored().models)).map(toReadModel) }
    },
    async rebuild(name) {
      const where = { app: log.app, directory, ...(eventstore === undefined ? {} : { eventstore }) }
      reads = await openReadModelsInWorker({ ...where, onError })
      await reads.rebuild(name)
    },
    async close() {
      await reads?.close()
      await log.close()
      lock.release()
    },
  }
}

function take(directory: string): DirectoryLock {
  try {
    return lockDirectory(directory)
  } catch (error) {
    if (!(error instanceof DataDirectoryInUse)) throw error
    const who = error.pid === undefined ? 'a process' : `process ${error.pid}`
    throw new CommandFailed(
      `${directory} is in use by ${who}. Ask the server that runs there: give its address with --url, as http://127.0.0.1:3000.`,
      { cause: error },
    )
  }
}

async function openFile(directory: string, app: string | undefined): Promise<Log> {
  let reader: ReturnType<typeof openSqliteReader>
  try {
    reader = openSqliteReader({ directory })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new CommandFailed(
      `There is no log to read in ${directory} (${why}). Name the data directory with --data, or a running server with --url.`,
      { cause },
    )
  }
  const [first] = app === undefined ? await reader.readAll({ limit: 1 }) : []
  const known = app ?? (first && appOf(first.stream))
  if (known === undefined) {
    reader.close()
    throw new CommandFailed(`The log in ${directory} is empty: there is nothing to make read models from.`)
  }
  return { app: known, head: () => reader.head(), close: async () => reader.close() }
}

async function openCluster(directory: string, app: string | undefined, url: string): Promise<Log> {
  if (app === undefined) {
    throw new CommandFailed(
      `There are no read models in ${directory}: a node makes them when it starts. Name the directory of a node with --data.`,
    )
  }
  const store = await openEventStoreDB({ url, prefix: streamPrefix(app) })
  return { app, head: () => store.head(), close: () => store.close() }
}
