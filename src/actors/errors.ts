/**
 * What a caller may be told when a command cannot be carried out. Each class has a code from the one registry
 * (docs/errors.md, src/http/errors.ts) and its facts as fields; its message says what to do next.
 */

export abstract class CapsuleError extends Error {
  abstract readonly code: string
  override get name(): string {
    return this.constructor.name
  }
}

/**
 * Says that somebody else is ahead or that the command does not fit, rather than that something broke: for work that goes on
 * by itself it is an answer (see refusal.ts).
 */
export abstract class Refusal extends CapsuleError {
  /** Told by this and not by the class: an app may have a copy of this package of its own. */
  get isRefusal(): true {
    return true
  }
}

export interface InputIssue {
  /** Dotted path into the input; empty for the whole. */
  readonly path: string
  readonly message: string
}

export class InvalidInput extends CapsuleError {
  readonly code = 'invalid-input'
  readonly issues: readonly InputIssue[]
  constructor(what: string, issues: readonly InputIssue[]) {
    super(
      `${what}: ${issues.map((issue) => (issue.path ? `${issue.path}: ${issue.message}` : issue.message)).join('; ')}`,
    )
    this.issues = issues
  }
}

export class UnknownTask extends CapsuleError {
  readonly code = 'unknown-task'
  readonly task: string
  constructor(task: string, known: readonly string[]) {
    super(
      `There is no task "${task}". Known tasks: ${known.length ? known.join(', ') : 'none; declare one with app.task()'}.`,
    )
    this.task = task
  }
}

const SEEN_IN = {
  job: 'GET /api/v1/jobs',
  session: 'GET /api/v1/sessions',
  schedule: 'GET /api/v1/schedules',
  lock: 'GET /api/v1/locks',
}

export class NotFound extends CapsuleError {
  readonly code = 'not-found'
  readonly kind: keyof typeof SEEN_IN
  readonly id: string
  constructor(kind: keyof typeof SEEN_IN, id: string) {
    super(`There is no ${kind} "${id}". See ${SEEN_IN[kind]} for those there are.`)
    this.kind = kind
    this.id = id
  }
}

/** The machine does not accept the command in its present state. */
export class CommandRefused extends Refusal {
  readonly code = 'command-refused'
  readonly command: string
  constructor(command: string, reason: string) {
    super(reason)
    this.command = command
  }
}

const QUEUES = "only a task that is declared with onLocked: 'queue' waits by itself."

/** A lock with `onLocked: 'reject'` is held. */
export class LockHeldError extends CapsuleError {
  readonly code = 'lock-held'
  readonly key: string
  /** The task that holds it, if it is one of the same owner. */
  readonly holder: string | undefined
  constructor(key: string, holder: string | undefined) {
    super(
      holder === undefined
        ? `The lock ${key} is held by a task of somebody else. Wait until that has ended, and submit again: ${QUEUES}`
        : `The lock ${key} is held by task ${holder}. Wait for it or cancel it, and submit again: ${QUEUES}`,
    )
    this.key = key
    this.holder = holder
  }
}

/** The attempt (of a task, or of a conversation's turn) no longer holds the claim: whatever it still does is not recorded. */
export class AttemptFenced extends Refusal {
  readonly code = 'attempt-fenced'
  readonly claim: string
  constructor(what: 'attempt' | 'turn', of: string, claim: string) {
    super(
      `This ${what} of ${of} has lost its claim: it ended, was cancelled, timed out or was taken over. Stop working.`,
    )
    this.claim = claim
  }
}

/** The same idempotency key with other input. */
export class IdempotencyConflict extends CapsuleError {
  readonly code = 'idempotency-conflict'
  readonly key: string
  readonly taskId: string
  constructor(key: string, taskId: string) {
    super(`The idempotency key "${key}" belongs to task ${taskId}, which has other input. Use a new key for new input.`)
    this.key = key
    this.taskId = taskId
  }
}

/** A client's id of a command came again with another command for the same thing: it is no repeat, and was not carried out. */
export class CommandIdTaken extends CapsuleError {
  readonly code = 'idempotency-conflict'
  readonly commandId: string
  constructor(commandId: string, kind: string) {
    super(
      `The idempotency key "${commandId}" was used before, for another command on this ${kind}. Nothing was done: use a ` +
        'new key for each command.',
    )
    this.commandId = commandId
  }
}

/** The task was there once, and its record was deleted for good: it is not made again. */
export class TaskRetired extends CapsuleError {
  readonly code = 'task-retired'
  readonly taskId: string
  /** The idempotency key that was submitted, if one was. */
  readonly key: string | undefined
  constructor(taskId: string, key: string | undefined) {
    super(
      key === undefined
        ? `Task ${taskId} was retired: its record is gone for good. Submit it under another key or command id.`
        : `The idempotency key "${key}" belongs to task ${taskId}, which was retired: its record is gone for good. Use another key.`,
    )
    this.taskId = taskId
    this.key = key
  }
}

/** As many tasks wait as their `maxQueued` allows. */
export class QueueFull extends CapsuleError {
  readonly code = 'queue-full'
  readonly task: string
  readonly limit: number
  constructor(task: string, limit: number) {
    super(`${limit} tasks ${task} wait already, as many as maxQueued allows. Try again when some have started.`)
    this.task = task
    this.limit = limit
  }
}

/** More commands wait for one actor than its mailbox takes. */
export class MailboxFull extends CapsuleError {
  readonly code = 'mailbox-full'
  readonly stream: string
  constructor(stream: string, limit: number) {
    super(`${limit} commands already wait for ${stream}. Slow down and try again.`)
    this.stream = stream
  }
}

/** Too many others changed the same actor at the same time. */
export class TooContended extends CapsuleError {
  readonly code = 'too-contended'
  readonly stream: string
  constructor(stream: string, tries: number) {
    super(`${stream} was changed by others ${tries} times while deciding. Try again.`)
    this.stream = stream
  }
}

/** What is recorded cannot have been produced by this machine. */
export class HistoryCorrupt extends CapsuleError {
  readonly code = 'history-corrupt'
  readonly stream: string
  readonly revision: bigint
  constructor(stream: string, revision: bigint, why: string) {
    super(
      `Event ${revision} of ${stream} does not follow from the ones before it: ${why}. The stream is left alone; verify the log.`,
    )
    this.stream = stream
    this.revision = revision
  }
}

/** Newer code wrote this stream. */
export class WrittenByNewerCode extends CapsuleError {
  readonly code = 'written-by-newer-code'
  readonly stream: string
  constructor(stream: string, type: string, v: number) {
    super(
      `${stream} has ${type} version ${v}, which this version of the code does not know. A newer node must handle it.`,
    )
    this.stream = stream
  }
}

/** Whether the error is about one stream that this code cannot make sense of: it is left alone, and others go on. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof WrittenByNewerCode || error instanceof HistoryCorrupt
}

/** The node is stopping or was never started. */
export class NotRunning extends CapsuleError {
  readonly code = 'not-running'
  constructor(what = 'The app is not running') {
    super(`${what}. Start it with capsule serve, or with startApp(app).`)
  }
}
