/** capsule key: makes an API key. The key itself is shown once and written nowhere; what lets it in is its hash. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { makeKey, readKeys } from '../http/index.ts'
import { CommandFailed, UsageError } from './errors.ts'
import { print } from './output.ts'

export interface KeyFlags {
  readonly name: string
  readonly scope: string
  readonly file?: string
  readonly ifNone?: boolean
  readonly json?: boolean
}

/** @throws UsageError for a name or a scope that is none, CommandFailed when the file cannot be written */
export async function key({ name, scope, file, ifNone, json }: KeyFlags): Promise<void> {
  if (ifNone && file === undefined) throw new UsageError('--if-none looks into a file: name it with --file.')
  if (ifNone && file !== undefined && hasKeys(file)) {
    await print(json ? `${JSON.stringify({ key: null, file })}\n` : `${file} has a key already: none was made.\n`)
    return
  }
  const { key, line } = made(name, scope)
  if (file !== undefined) write(file, line)
  if (json) await print(`${JSON.stringify({ key, name, scope, line, file: file ?? null })}\n`)
  else await print(`${told(key, line, file)}\n`)
}

function made(name: string, scope: string): { readonly key: string; readonly line: string } {
  try {
    return makeKey(name, scope)
  } catch (error) {
    throw new UsageError(`This makes no key: ${reason(error)}.`)
  }
}

function hasKeys(file: string): boolean {
  if (!existsSync(file)) return false
  try {
    const text = readFileSync(file, 'utf8')
    return !text.split('\n').every(isNoteOrBlank) && readKeys(text).length > 0
  } catch (error) {
    throw new CommandFailed(`The keys in ${file} are not usable: ${reason(error)}.`, { cause: error })
  }
}

function isNoteOrBlank(line: string): boolean {
  return /^\s*(#.*)?$/.test(line)
}

function write(file: string, line: string): void {
  try {
    // A last line without an end would become one with the new one: neither key would let anybody in.
    const end = existsSync(file) && /[^\n]$/.test(readFileSync(file, 'utf8')) ? '\n' : ''
    appendFileSync(file, `${end}${line}\n`, { mode: 0o600 })
  } catch (error) {
    throw new CommandFailed(`${file} cannot be written: ${reason(error)}.`, { cause: error })
  }
}

function told(key: string, line: string, file: string | undefined): string {
  const where =
    file === undefined
      ? `Let it in with CAPSULE_AUTH_API_KEYS=${line}`
      : `${file} lets it in, once the server is started again with CAPSULE_AUTH_API_KEYS_FILE=${file}`
  return `API key, shown this once: ${key}\n${where}`
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
