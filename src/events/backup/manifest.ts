/** What lies beside a backup and proves it: the file `<backup>.json`. It is written last; a backup without it is none. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { BackupBroken } from '../copy/index.ts'
import { StoreUnavailable } from '../errors.ts'

const FORMAT = 1

const manifest = z.object({
  format: z.literal(FORMAT),
  /** Apps that have events in it. */
  apps: z.array(z.string()).readonly(),
  /** All events, those of nodes too. */
  events: z.number().int().nonnegative(),
  /** Position of the last event, as a number in a text; "-1" when there is none. */
  head: z.string().regex(/^-?\d+$/),
  bytes: z.number().int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** ISO 8601, by the clock of the machine that made it. */
  takenAt: z.string(),
  /** What it was taken of: a directory, or a connection string without user and password. */
  of: z.string(),
  /** Version of capsule-actors that made it. */
  version: z.string(),
})
export type BackupManifest = z.infer<typeof manifest>
export type BackupFacts = Omit<BackupManifest, 'format'>

export function manifestFile(file: string): string {
  return `${file}.json`
}

export function manifestText(facts: BackupFacts): string {
  return `${JSON.stringify({ format: FORMAT, ...facts }, undefined, 2)}\n`
}

/** @throws BackupBroken; StoreUnavailable when it may not be read, which says nothing about the backup */
export function readManifest(file: string): BackupManifest {
  let text: string
  try {
    text = readFileSync(manifestFile(file), 'utf8')
  } catch (cause) {
    if (!isNotThere(cause)) throw unreadable(manifestFile(file), cause)
    const message = `${file} has no ${manifestFile(file)} beside it: the backup was not finished, or only half of it is here.`
    throw new BackupBroken({ file, fault: 'unfinished', message, cause })
  }
  const found = parse(text)
  const parsed = manifest.safeParse(found)
  if (parsed.success) return parsed.data
  const format = z.object({ format: z.number() }).safeParse(found)
  if (format.success && format.data.format !== FORMAT) {
    const message = `${manifestFile(file)} has format ${format.data.format}, and this version knows ${FORMAT}: run the version that made it.`
    throw new BackupBroken({ file, fault: 'unknown-format', message })
  }
  throw new BackupBroken({ file, fault: 'altered', message: `${manifestFile(file)} is not what was written.` })
}

function isNotThere(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function unreadable(file: string, cause: unknown): StoreUnavailable {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new StoreUnavailable(
    `${file} cannot be read (${reason}). Let this process read it, and the backup beside it.`,
    {
      retryable: false,
      cause,
    },
  )
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
