/** What can go wrong with a store, as classes with their facts, so that callers branch on facts and never on text. */
import type { Revision } from './event.ts'

export type ExpectedRevision = Revision | 'no-stream' | 'any'

export abstract class StoreError extends Error {
  abstract readonly code: string
  override get name(): string {
    return this.constructor.name
  }
}

/** Somebody else appended first. `actual` is the stream's last revision, or `'no-stream'`. */
export class WrongExpectedRevision extends StoreError {
  readonly code = 'wrong-expected-revision'
  readonly stream: string
  readonly expected: ExpectedRevision
  readonly actual: Revision | 'no-stream'
  constructor(facts: { stream: string; expected: ExpectedRevision; actual: Revision | 'no-stream' }) {
    super(`Stream ${facts.stream} is at ${facts.actual}, not at ${facts.expected}. Read it again and decide anew.`)
    this.stream = facts.stream
    this.expected = facts.expected
    this.actual = facts.actual
  }
}

/** The stream was deleted for good: it takes no events, ever. Nothing about it can be tried again. */
export class StreamDeleted extends StoreError {
  readonly code = 'stream-deleted'
  readonly stream: string
  constructor(stream: string) {
    super(`Stream ${stream} was deleted for good and takes no more events. Begin another one under another name.`)
    this.stream = stream
  }
}

export class EventTooLarge extends StoreError {
  readonly code = 'event-too-large'
  readonly stream: string
  readonly type: string
  readonly bytes: number
  readonly limit: number
  constructor(facts: { stream: string; type: string; bytes: number; limit: number }) {
    super(
      `${facts.type} for ${facts.stream} has ${facts.bytes} bytes of data, the limit is ${facts.limit}. ` +
        'Keep a large value in a file or a database, and pass on where it is.',
    )
    this.stream = facts.stream
    this.type = facts.type
    this.bytes = facts.bytes
    this.limit = facts.limit
  }
}

/**
 * The store gave no answer, or cannot write. The append may or may not be recorded: repeat it with the same ids and
 * expected revision. `retryable: false` means repeating cannot help until an operator acts.
 */
export class StoreUnavailable extends StoreError {
  readonly code = 'store-unavailable'
  readonly retryable: boolean
  constructor(message: string, facts: { retryable: boolean; cause?: unknown }) {
    super(message, { cause: facts.cause })
    this.retryable = facts.retryable
  }
}

/**
 * The server does not let this user in, or not so far. Repeating does not help, until an operator gives the user its
 * password or its rights back: then it does, without a restart of whoever asks.
 */
export class StoreRefusesUser extends StoreUnavailable {
  constructor(message: string, facts: { cause?: unknown } = {}) {
    super(message, { retryable: false, ...facts })
  }
}

export class StoreClosed extends StoreError {
  readonly code = 'store-closed'
  constructor() {
    super('The event store is closed.')
  }
}

/** What is on disk cannot be what was written. Nothing is appended to a store that said this. */
export class StoreCorrupt extends StoreError {
  readonly code = 'store-corrupt'
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
  }
}

/** Another process has the data directory. */
export class DataDirectoryInUse extends StoreError {
  readonly code = 'data-directory-in-use'
  readonly directory: string
  readonly pid: number | undefined
  constructor(facts: { directory: string; pid?: number | undefined }) {
    super(
      `The data directory ${facts.directory} is in use${facts.pid ? ` by process ${facts.pid}` : ''}. ` +
        'Stop that process, or choose another directory with --data.',
    )
    this.directory = facts.directory
    this.pid = facts.pid
  }
}

/** Another process, or another run of this one, writes to the archive. */
export class ArchiveInUse extends StoreError {
  readonly code = 'archive-in-use'
  readonly directory: string
  readonly pid: number | undefined
  constructor(facts: { directory: string; pid?: number | undefined }) {
    super(
      `The archive ${facts.directory} is being written to${facts.pid ? ` by process ${facts.pid}` : ''}. ` +
        'Try again when that is done, or choose another directory.',
    )
    this.directory = facts.directory
    this.pid = facts.pid
  }
}

/** The disk refuses the archive. Nothing goes from the log that is not in it. */
export class ArchiveUnavailable extends StoreError {
  readonly code = 'archive-unavailable'
  readonly directory: string
  constructor(directory: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(
      `The archive ${directory} cannot be written (${reason}). Make room, or choose a directory this process can write to.`,
      { cause },
    )
    this.directory = directory
  }
}
