/**
 * The file `moved.json` of a data directory: which apps' logs went elsewhere from here, and which are on their way to here.
 * Without it the same app could go on in two places, each with half of what came after.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { StoreUnavailable } from '../errors.ts'
import { type Position, parsePosition, START } from '../event.ts'
import { publish, syncDirectory, writeDurably } from '../files.ts'
import { LogSurvey } from '../stores/sqlite/index.ts'
import { streamPrefix } from '../streams.ts'
import { RUN_LIVE_EVENTS, RUN_MOVE_EVENTS } from '../task-status.ts'
import { CopyRefused, LogMoved, LogNotMoved } from './errors.ts'

const entry = z.discriminatedUnion('is', [
  /** The log of the app goes on at `to`; here it ended at `head`. */
  z.object({ is: z.literal('moved'), to: z.string(), at: z.string(), head: z.string().regex(/^-?\d+$/) }),
  /** A part of the log of the app is here already. */
  z.object({ is: z.literal('arriving'), from: z.string(), at: z.string() }),
])
const marker = z.object({ apps: z.record(z.string(), entry) })
export type MovedEntry = z.infer<typeof entry>

const FILE = 'moved.json'

/** @throws StoreUnavailable when the file is there and cannot be understood */
export function readMoved(directory: string, app: string): MovedEntry | undefined {
  return readAll(directory)[app]
}

/** Undefined takes the app's entry away. */
export async function writeMoved(directory: string, app: string, moved: MovedEntry | undefined): Promise<void> {
  const { [app]: _, ...others } = readAll(directory)
  const apps = moved ? { ...others, [app]: moved } : others
  const file = join(directory, FILE)
  if (Object.keys(apps).length === 0) {
    await rm(file, { force: true })
    return syncDirectory(directory)
  }
  const partial = `${file}.${randomBytes(4).toString('hex')}.partial`
  await writeDurably(partial, `${JSON.stringify({ apps }, undefined, 2)}\n`)
  await publish(partial, file, 'what is there')
}

function readAll(directory: string): Readonly<Record<string, MovedEntry>> {
  const file = join(directory, FILE)
  if (!existsSync(file)) return {}
  try {
    return marker.parse(JSON.parse(readFileSync(file, 'utf8'))).apps
  } catch (cause) {
    throw new StoreUnavailable(
      `${file} says where the log of this directory has gone, and cannot be understood. Delete it if the log was not moved.`,
      { retryable: false, cause },
    )
  }
}

/**
 * Before an app is started on the embedded log of a directory.
 * @throws LogMoved when it goes on elsewhere, or is here in part only
 */
export function assertHere(directory: string, app: string): void {
  const moved = readMoved(directory, app)
  if (!moved) return
  const file = join(directory, FILE)
  if (moved.is === 'arriving') {
    const message =
      `The log of ${app} in ${directory} is not whole: its migration from ${moved.from} was begun at ${moved.at} and has ` +
      'not ended. Run capsule migrate again; it goes on where it was.'
    throw new LogMoved({ directory, app, to: directory, message })
  }
  const { to, at } = moved
  // Whoever let it grow did not know of the move. Which of the two logs is to go on is nothing a program can decide.
  const grown = hasGrown(directory, app, parsePosition(moved.head))
    ? ' It has events since then that are not there.'
    : ''
  throw new LogMoved({
    directory,
    app,
    to,
    message:
      `The log of ${app} in ${directory} was moved to ${to} at ${at}.${grown} Set EVENTSTORE_URL to go on there, or bring ` +
      `it back with: capsule migrate --app ${app} --from <${to}> --to ${directory}. To go on here without what was done ` +
      `there since, delete ${file}.`,
  })
}

/**
 * Before an app is started as a node of a cluster, with a data directory that may hold an embedded log of its own.
 * @returns what to tell about a log that is left behind, if there is one
 * @throws LogNotMoved when work in it has not ended
 */
export function assertNothingLeft(directory: string, app: string): string | undefined {
  const moved = readMoved(directory, app)
  if (moved?.is === 'arriving') return undefined
  if (moved && !hasGrown(directory, app, parsePosition(moved.head))) return undefined
  if (!hasGrown(directory, app, START)) return undefined
  const task = LogSurvey.of(directory, (survey) => liveTask(survey, app))
  const move = `capsule migrate --app ${app} --from ${directory} --to <EVENTSTORE_URL>`
  if (task === undefined) {
    return (
      `${directory} holds an embedded log of ${app}, which this node does not show: all of its work has ended. ` +
      `To have its history on the cluster, begin with: ${move}.`
    )
  }
  throw new LogNotMoved({
    directory,
    app,
    stream: task,
    message:
      `${directory} holds an embedded log of ${app} with work that has not ended (${task}), and EVENTSTORE_URL would ` +
      `leave it behind. Move it with: ${move}. Or choose another directory with --data.`,
  })
}

/** @throws CopyRefused when the log of a directory is not the one to take a copy from */
export function assertWhole(directory: string, app: string, to: string): void {
  const moved = readMoved(directory, app)
  if (!moved || (moved.is === 'moved' && moved.to === to)) return
  const where = moved.is === 'moved' ? `was moved to ${moved.to}` : 'is not whole: a migration to here has not ended'
  throw new CopyRefused(
    'in-use',
    `The log of ${app} in ${directory} ${where}. Take it from there, or delete ${join(directory, FILE)} if that is lost.`,
  )
}

/** @throws CopyRefused when a part only of an app's log is here: a copy of it would pass for the whole, with no note beside it */
export function assertArrived(directory: string): void {
  for (const [app, moved] of Object.entries(readAll(directory))) {
    if (moved.is !== 'arriving') continue
    throw new CopyRefused(
      'in-use',
      `The log of ${app} in ${directory} is not whole: its migration from ${moved.from} has not ended. Run capsule migrate ` +
        'again first, or take the copy from there.',
    )
  }
}

/** The apps that have events in the log of a directory; none when it has no log. @throws StoreUnavailable, StoreCorrupt */
export function appsIn(directory: string): readonly string[] {
  return LogSurvey.of(directory, (survey) => survey.apps()) ?? []
}

function hasGrown(directory: string, app: string, after: Position): boolean {
  const look = (survey: LogSurvey) => survey.hasAfter(after, streamPrefix(app), streamPrefix(app, 'node'))
  return LogSurvey.of(directory, look) ?? false
}

/** One that has not ended: the newest of its events that says so or the contrary decides. */
function liveTask(survey: LogSurvey, app: string): string | undefined {
  const known = new Set<string>()
  const deciding = [...RUN_MOVE_EVENTS]
  for (const { stream, type } of survey.newestFirst(streamPrefix(app, 'task'), deciding)) {
    if (known.has(stream)) continue
    if (RUN_LIVE_EVENTS.has(type)) return stream
    known.add(stream)
  }
  return undefined
}
