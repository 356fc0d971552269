/**
 * The one registry of errors: every code that an answer can carry, its status, and what it means for the caller.
 * docs/errors.md lists the same codes; a test holds the two together.
 */
export interface ErrorEntry {
  readonly status: number
  readonly title: string
  /** When it happens, for docs/errors.md. */
  readonly meaning: string
  /** Seconds after which trying again makes sense. */
  readonly retryAfter?: number
}

export const ERRORS = {
  // The request itself
  'malformed-request': {
    status: 400,
    title: 'Malformed request',
    meaning: 'The request is not valid HTTP for this API.',
  },
  'malformed-json': { status: 400, title: 'Malformed JSON', meaning: 'The body is not JSON.' },
  'as-of-unsupported': {
    status: 400,
    title: 'Time travel is not served yet',
    meaning: 'The request has `as_of`, which this version does not answer. Leave it out to read the present.',
  },
  'bad-frame': {
    status: 400,
    title: 'Bad frame',
    meaning: 'A frame on the live socket is not one of the protocol. The socket is closed with 4400.',
  },
  'host-not-allowed': {
    status: 403,
    title: 'Host not allowed',
    meaning: 'The `Host` header names something other than this machine: a website may be reaching for it.',
  },
  'origin-not-allowed': {
    status: 403,
    title: 'Origin not allowed',
    meaning: 'A page of another origin asks. `capsule serve --origin` lets it in.',
  },
  'sign-in-required': {
    status: 401,
    title: 'Sign in',
    meaning:
      'The server lets in who has a key, and the request has none. Send it as `X-API-Key`, or sign in at /sign-in.',
  },
  'key-refused': { status: 401, title: 'Key refused', meaning: 'The server does not know the key that was sent.' },
  'not-permitted': {
    status: 403,
    title: 'Not permitted',
    meaning: "The key's scope does not reach so far. The detail says which one does.",
  },
  'route-not-found': { status: 404, title: 'No such route', meaning: 'Nothing is served at this path.' },
  'method-not-allowed': {
    status: 405,
    title: 'Method not allowed',
    meaning: 'The path exists, but not for this method. `Allow` lists those it takes.',
  },
  'request-timeout': {
    status: 408,
    title: 'Request timeout',
    meaning: 'The request did not arrive completely in time.',
  },
  'payload-too-large': {
    status: 413,
    title: 'Payload too large',
    meaning: 'The body is larger than the limit, or what a subscription shows than a frame.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'Unsupported media type',
    meaning: 'A body must be sent with `Content-Type: application/json`.',
  },
  'invalid-input': {
    status: 422,
    title: 'Invalid input',
    meaning: 'The query, the body or the input of a task does not fit its schema. `errors` says where.',
  },
  'upgrade-required': {
    status: 426,
    title: 'Upgrade required',
    meaning: 'The live protocol is spoken over a WebSocket.',
  },
  'headers-too-large': { status: 431, title: 'Headers too large', meaning: 'The headers are larger than the limit.' },

  // What the app refuses
  'unknown-task': { status: 404, title: 'Unknown task', meaning: 'The app declares no task of this name.' },
  'not-found': {
    status: 404,
    title: 'Not found',
    meaning: 'There is no job, session, schedule or lock of this id.',
  },
  'unknown-read-model': {
    status: 404,
    title: 'Unknown read model',
    meaning: 'There is no read model of this name; the detail lists those that there are.',
  },
  'watch-target-missing': {
    status: 404,
    title: 'Not there any more',
    meaning: 'What a live subscription or a stream follows is not there, or was deleted.',
  },
  'bad-cursor': {
    status: 400,
    title: 'Bad cursor',
    meaning: 'The cursor is not one that a page of this list gave. Follow its `Link` header.',
  },
  'command-refused': {
    status: 409,
    title: 'Refused in this state',
    meaning: 'The job, session, schedule or lock does not accept the command in its present state.',
  },
  'lock-held': {
    status: 409,
    title: 'Lock held',
    meaning: "The task's lock is held by another task, and the task is declared with `onLocked: 'reject'`.",
  },
  'attempt-fenced': {
    status: 409,
    title: 'Attempt fenced',
    meaning: 'The attempt that asks has lost its claim: it was cancelled, timed out or taken over.',
  },
  'idempotency-conflict': {
    status: 409,
    title: 'Idempotency key reused',
    meaning: 'The idempotency key was used before, with other input or for something else. Use a new one for each.',
  },
  'archive-in-use': {
    status: 409,
    title: 'Archive in use',
    meaning: 'Another retirement writes to the archive. Try again when it is done.',
  },
  'task-retired': {
    status: 410,
    title: 'Task retired',
    meaning:
      'The idempotency key (or command id) was used before, and the record of its task is gone. Use another key.',
  },
  'stream-deleted': {
    status: 410,
    title: 'Gone for good',
    meaning: 'What this is about was deleted for good, and never comes again.',
  },
  'event-too-large': {
    status: 413,
    title: 'Too large to record',
    meaning: 'The input is larger than one event may be.',
  },

  // Limits
  'too-many-attempts': {
    status: 429,
    title: 'Too many wrong keys',
    meaning:
      'One address sent more wrong keys within a minute than the limit. `Retry-After` says when it may try again.',
    retryAfter: 60,
  },
  'mailbox-full': {
    status: 429,
    title: 'Too many commands',
    meaning: 'More commands wait for one job, session or schedule than it takes.',
    retryAfter: 1,
  },
  'queue-full': {
    status: 429,
    title: 'Too many wait',
    meaning: 'As many tasks of the name wait as its `maxQueued` allows. Try again when some have started.',
  },
  'too-many-subscriptions': {
    status: 429,
    title: 'Too many subscriptions',
    meaning: 'One live socket follows more topics than the limit. Unsubscribe from some.',
  },
  overloaded: {
    status: 503,
    title: 'Overloaded',
    meaning: 'More requests or streams are under way than the limit.',
    retryAfter: 1,
  },

  // The server's own state
  'not-running': {
    status: 503,
    title: 'Not running',
    meaning: 'The app is stopping or was not started.',
    retryAfter: 2,
  },
  'read-model-behind': {
    status: 503,
    title: 'Not caught up',
    meaning: 'The read models did not reach the position asked for in time. What was acknowledged is safe; read again.',
    retryAfter: 1,
  },
  'read-models-unavailable': {
    status: 503,
    title: 'Read models unavailable',
    meaning: 'The thread of the read models stopped and is started again. What was acknowledged is safe; read again.',
    retryAfter: 1,
  },
  'read-models-closed': {
    status: 503,
    title: 'Read models closed',
    meaning: 'The server is stopping.',
    retryAfter: 2,
  },
  'poison-event': {
    status: 503,
    title: 'Read models held up',
    meaning: 'A read model cannot take in an event of the log; the detail names it. It is tried again.',
    retryAfter: 5,
  },
  'too-contended': {
    status: 503,
    title: 'Too contended',
    meaning: 'Others changed the same thing too often at the same time.',
    retryAfter: 1,
  },
  'written-by-newer-code': {
    status: 503,
    title: 'Written by newer code',
    meaning: 'Newer code wrote this history. A node that runs it must answer.',
    retryAfter: 5,
  },
  'web-not-built': {
    status: 503,
    title: 'Web components not built',
    meaning: 'The pages are not built. Run `npm run build:web`.',
  },
  'store-unavailable': {
    status: 503,
    title: 'Store unavailable',
    meaning:
      'The event store does not answer. Whether the change was recorded is not known: repeat it with the same key.',
    retryAfter: 2,
  },
  'store-closed': { status: 503, title: 'Store closed', meaning: 'The event store is closed.', retryAfter: 2 },
  'wrong-expected-revision': {
    status: 503,
    title: 'Changed meanwhile',
    meaning: 'Somebody else changed the same stream first.',
    retryAfter: 1,
  },
  'archive-unavailable': {
    status: 503,
    title: 'Archive unavailable',
    meaning: 'The archive cannot be written. Nothing goes from the log that is not in it.',
  },
  'history-corrupt': {
    status: 500,
    title: 'History corrupt',
    meaning: 'What is recorded cannot have been produced by this code. The stream is left alone.',
  },
  'store-corrupt': { status: 500, title: 'Store corrupt', meaning: 'What is on disk cannot be what was written.' },
  internal: {
    status: 500,
    title: 'Internal error',
    meaning: 'Something went wrong in the server. The log names the request id.',
  },

  // At start or inside the app's own code, never in an answer
  'task-failed': {
    status: 500,
    title: 'Task failed',
    meaning: 'Code of the app waited with `handle.result()` for a task that did not complete.',
  },
  'data-directory-in-use': {
    status: 500,
    title: 'Data directory in use',
    meaning: 'Another process has the data directory.',
  },
  'log-moved': {
    status: 500,
    title: 'Log moved',
    meaning: 'The log of this data directory was moved elsewhere, or is on its way to here.',
  },
  'log-not-moved': {
    status: 500,
    title: 'Log not moved',
    meaning: 'A node of a cluster was started beside an embedded log with work that has not ended.',
  },
  'copy-refused': {
    status: 500,
    title: 'Copy refused',
    meaning: 'A log is not copied: there is none, it is in use, or something else is where the copy belongs.',
  },
  'chain-broken': {
    status: 500,
    title: 'Chain broken',
    meaning: 'An event of a log that is copied or checked is not as it was appended.',
  },
  'backup-broken': {
    status: 500,
    title: 'Backup broken',
    meaning: 'A backup is not what was made: unfinished, altered or damaged.',
  },
  'loopback-only': {
    status: 500,
    title: 'Loopback only',
    meaning: 'The server was asked to bind an address that others can reach, which needs `auth`.',
  },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERRORS

const REGISTRY: ReadonlyMap<string, ErrorEntry> = new Map(Object.entries(ERRORS))

export function errorEntry(code: string): ErrorEntry | undefined {
  return REGISTRY.get(code)
}
