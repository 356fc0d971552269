/** Retention as a running app, or the command line, asks for it. */
import { resolve } from 'node:path'
import { CommandRefused } from '../../actors/index.ts'
import { type Duration, parseDuration } from '../duration.ts'
import { type RetireOptions, type RetireOutcome, type RetireParts, retire } from './retire.ts'

export type { RetireOutcome, RetireParts, RetireProgress } from './retire.ts'

export interface RetireRequest extends Omit<RetireOptions, 'before'> {
  /** What ended longer ago than this goes: '90d'. */
  readonly olderThan: Duration
  /** Directory of the archive. Default: the app's. */
  readonly archive?: string
}

/** @throws InvalidInput for what is no duration; CommandRefused when there is nowhere to put what goes; as `retire` */
export async function retireFrom(
  parts: Omit<RetireParts, 'archive'> & { readonly archive?: string | undefined },
  { olderThan, archive = parts.archive, ...options }: RetireRequest,
): Promise<RetireOutcome> {
  const before = parts.system.clock.now() - parseDuration(olderThan, 'older_than')
  if (archive === undefined) {
    throw new CommandRefused('retire', 'This app has no directory for an archive. Start it with data, or with archive.')
  }
  return retire({ ...parts, archive: resolve(archive) }, { before, ...options })
}
