/** Why a log is not copied, not restored or not started, as facts. */
import { StoreError } from '../errors.ts'
import type { Revision } from '../event.ts'
import type { ChainBreak, ChainFault } from '../verify.ts'

/**
 * `other-events`: the target has events of the app that are not the source's. `in-use`: somebody works on a log that must
 * be at rest. `no-log`: there is none. `exists`: something is in the place where the result belongs.
 */
export type CopyRefusal = 'other-events' | 'in-use' | 'no-log' | 'exists'

export class CopyRefused extends StoreError {
  readonly code = 'copy-refused'
  readonly reason: CopyRefusal
  constructor(reason: CopyRefusal, message: string) {
    super(message)
    this.reason = reason
  }
}

const FAULTS: Readonly<Record<ChainFault, string>> = {
  missing: 'is missing',
  reordered: 'is not in its place',
  altered: 'is not as it was appended',
  unsealed: 'has no hash',
}

/** An event cannot be as it was appended: what is copied from here would not be the history. */
export class ChainBroken extends StoreError {
  readonly code = 'chain-broken'
  readonly stream: string
  readonly revision: Revision
  readonly fault: ChainFault
  constructor(where: string, { stream, revision, reason }: ChainBreak) {
    super(`In ${where} revision ${revision} of ${stream} ${FAULTS[reason]}. Take a copy from before that.`)
    this.stream = stream
    this.revision = revision
    this.fault = reason
  }
}

/** `unfinished`: the backup never came to its end. `altered`: its bytes are others. `damaged`: they are no sound log. */
export type BackupFault = 'unfinished' | 'altered' | 'damaged' | 'unknown-format'

export class BackupBroken extends StoreError {
  readonly code = 'backup-broken'
  readonly file: string
  readonly fault: BackupFault
  constructor(facts: { file: string; fault: BackupFault; message: string; cause?: unknown }) {
    super(`${facts.message} Take another backup; nothing was changed.`, { cause: facts.cause })
    this.file = facts.file
    this.fault = facts.fault
  }
}

/** The log of a data directory goes on in another place. */
export class LogMoved extends StoreError {
  readonly code = 'log-moved'
  readonly directory: string
  readonly app: string
  readonly to: string
  constructor(facts: { directory: string; app: string; to: string; message: string }) {
    super(facts.message)
    this.directory = facts.directory
    this.app = facts.app
    this.to = facts.to
  }
}

/** A node of a cluster was started beside an embedded log with work that would never end. */
export class LogNotMoved extends StoreError {
  readonly code = 'log-not-moved'
  readonly directory: string
  readonly app: string
  /** One of the tasks that have not ended. */
  readonly stream: string
  constructor(facts: { directory: string; app: string; stream: string; message: string }) {
    super(facts.message)
    this.directory = facts.directory
    this.app = facts.app
    this.stream = facts.stream
  }
}
