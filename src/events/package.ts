/**
 * This package's own files, for whoever needs one by its path. A build puts many modules into one file, so none can go
 * by its own address: the paths start at the package's package.json.
 */
import { readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'
import { dirname, join } from 'node:path'

/** What runs in a thread or process of its own. A build keeps a file for each, at the same place below `CODE_ROOT`. */
export const PROGRAMS = [
  'app/process/guest',
  'cli/watched',
  'events/stores/sqlite/image/worker',
  'events/stores/sqlite/writer',
  'execution/announcing/worker',
  'execution/process/child',
  'execution/process/watchdog',
  'projections/worker/worker',
] as const

const MANIFEST = ownManifest()
// In a clone Node runs what is in src; the published package has dist only.
const FROM_SOURCE = import.meta.url.endsWith('.ts')

export const PACKAGE_ROOT: string = dirname(MANIFEST)
export const CODE_ROOT: string = join(PACKAGE_ROOT, FROM_SOURCE ? 'src' : 'dist')

/** The file that a thread or process of this package starts with, as an absolute path. */
export function programFile(name: (typeof PROGRAMS)[number]): string {
  return join(CODE_ROOT, `${name}.${FROM_SOURCE ? 'ts' : 'js'}`)
}

/** Of this package, as its package.json has it. */
export function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(MANIFEST, 'utf8')) as { readonly version: string }
  return version
}

function ownManifest(): string {
  const file = findPackageJSON(import.meta.url)
  if (file === undefined)
    throw new Error(`There is no package.json above ${import.meta.url}: it is part of capsule-actors.`)
  return file
}
