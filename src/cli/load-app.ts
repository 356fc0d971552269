/** Loads the file that defines an app, and says plainly what is wrong with it. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { App, findApp } from '../app/index.ts'
import { CommandFailed, UsageError } from './errors.ts'
import { placeIn } from './user-code.ts'

export interface LoadedApp {
  readonly app: App
  /** URL of the file. */
  readonly entry: string
  /** Of the package the file is in, with the commit if known. */
  readonly version: string
}

/** @throws UsageError if there is no such file, CommandFailed if it throws or exports no app */
export async function loadApp(file: string): Promise<LoadedApp> {
  const path = resolve(file)
  if (!existsSync(path)) throw new UsageError(`There is no file ${file}. Name the file that exports your app.`)
  if (statSync(path).isDirectory()) {
    throw new UsageError(`${file} is a directory. Name the file in it that exports your app.`)
  }
  const entry = pathToFileURL(path).href
  let exported: Record<string, unknown>
  try {
    exported = await import(entry)
  } catch (error) {
    throw new CommandFailed(`${file} could not be loaded: ${describe(error)}`, { cause: error })
  }
  const app = findApp(exported)
  if (!app) {
    if (Object.values(exported).some(isOfAnotherCopy)) {
      throw new CommandFailed(
        `The app of ${file} was made by another copy of capsule-actors than this command is of. ` +
          'Run the command of the copy that it imports, from its own directory: npx capsule',
      )
    }
    const names = Object.keys(exported)
    throw new CommandFailed(
      `${file} exports no app (it exports ${names.length ? names.join(', ') : 'nothing'}). ` +
        `Write: export const app = createApp({ name: '…' })`,
    )
  }
  return { app, entry, version: versionOf(dirname(path)) }
}

/** Its class has the name, and is another one. */
function isOfAnotherCopy(value: unknown): boolean {
  return typeof value === 'object' && value !== null && value.constructor?.name === App.name
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const where = placeIn(error.stack ?? '')
  return `${error.name}: ${error.message}${where === undefined ? '' : ` (${where})`}`
}

function versionOf(directory: string): string {
  for (let folder = directory; ; folder = dirname(folder)) {
    const commit = commitOf(folder)
    const version = packageVersion(join(folder, 'package.json'))
    if (version !== undefined) return commit === undefined ? version : `${version}+${commit}`
    if (dirname(folder) === folder) return '0.0.0'
  }
}

function packageVersion(file: string): string | undefined {
  try {
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version?: unknown }
    return typeof version === 'string' ? version : undefined
  } catch {
    return undefined
  }
}

/** The first seven digits of the checked-out commit, read from git's own files. */
function commitOf(folder: string): string | undefined {
  try {
    const head = readFileSync(join(folder, '.git', 'HEAD'), 'utf8').trim()
    const ref = head.startsWith('ref: ') ? readFileSync(join(folder, '.git', head.slice(5)), 'utf8').trim() : head
    return ref.slice(0, 7)
  } catch {
    return undefined
  }
}
