/** What a starting node needs to know: waiting and running work, locks, open turns, occurrences, as of one position. */
import type { DatabaseSync } from 'node:sqlite'
import { isEnded, type Position, START } from '../../events/index.ts'
import { int, maybeInt, maybeText, text } from '../columns.ts'
import { READ_MODELS } from '../models/all.ts'
import { HIDDEN, JOBS, STATUS_CODE, statusOf, WORDS } from '../models/jobs-table.ts'
import { PARTIES } from '../models/locks.ts'
import { OWED, OWING } from '../models/owed.ts'
import { OCCURRENCES } from '../models/schedules.ts'
import { OPEN, SESSIONS } from '../models/sessions-table.ts'
import { withNamesInUse } from '../tables.ts'
import type { LockParty, LockView, WaitingTask, WorkSnapshot } from '../views.ts'

/**
 * Reads in the transaction that the caller holds open until `waiting` has been iterated. Hidden jobs are work too:
 * TaskDeleted only hides.
 */
export function readWork(connection: DatabaseSync): WorkSnapshot {
  const db = withNamesInUse(connection)
  return {
    position: readPosition(db),
    waiting: { [Symbol.iterator]: () => waitingTasks(db) },
    running: readRunning(db),
    locks: readLocks(db),
    ...readOwed(db),
    openTurns: db
      .prepare(`SELECT id, open FROM ${SESSIONS} WHERE open > 0`)
      .all()
      .map((row) => ({ sessionId: text(row.id), running: row.open === OPEN.running })),
    occurrences: readOccurrences(db),
  }
}

/** Everything up to here is in every read model of this code; others may have left theirs in the file. */
function readPosition(db: DatabaseSync): Position {
  const select = db.prepare('SELECT position FROM checkpoints WHERE name = ? AND version = ?')
  const positions = READ_MODELS.map(({ name, version }) => maybeInt(select.get(name, version)?.position))
  return BigInt(Math.min(...positions.map((position) => position ?? Number(START)))) as Position
}

function* waitingTasks(db: DatabaseSync): Generator<WaitingTask> {
  const words = new Map(
    db
      .prepare(`SELECT n, word FROM ${WORDS}`)
      .all()
      .map((row) => [int(row.n), text(row.word)]),
  )
  const { pending, scheduled, retry } = STATUS_CODE
  const codes = [pending, scheduled, retry].flatMap((code) => [code, code + HIDDEN])
  const rows = db.prepare(
    `SELECT id, name, status, owner, priority, run_at, expires_at, lock_key, submitted_at, crashes, run FROM ${JOBS} NOT INDEXED
     WHERE status IN (${codes.join(',')}) ORDER BY n`,
  )
  // Arrays are a third cheaper than objects, and there may be a million.
  rows.setReturnArrays(true)
  for (const row of rows.iterate()) {
    const code = int(row[2]) % HIDDEN
    yield {
      id: text(row[0]),
      name: words.get(int(row[1])) ?? '',
      status: code === pending ? 'pending' : code === scheduled ? 'scheduled' : 'retry',
      ownerId: words.get(int(row[3])) ?? '',
      priority: int(row[4]),
      runAt: maybeInt(row[5]),
      expiresAt: maybeInt(row[6]),
      lockKey: maybeText(row[7]),
      submittedAt: int(row[8]),
      crashes: int(row[9]),
      run: int(row[10]),
    }
  }
}

function readRunning(db: DatabaseSync): WorkSnapshot['running'] {
  const code = STATUS_CODE.running
  return db
    .prepare(
      `SELECT j.id, j.claim, w.word AS node FROM ${JOBS} j LEFT JOIN ${WORDS} w ON w.n = j.node
       WHERE j.status IN (${code}, ${code + HIDDEN})`,
    )
    .all()
    .map((row) => ({ id: text(row.id), claim: text(row.claim), node: text(row.node) }))
}

/** Every lock that somebody holds. */
export function readLocks(db: DatabaseSync): LockView[] {
  const locks: { key: string; holder: LockParty; queue: LockParty[] }[] = []
  let current: { lock: string; view: (typeof locks)[number] } | undefined
  const rows = db.prepare(
    `SELECT p.*, j.status FROM ${PARTIES} p LEFT JOIN ${JOBS} j ON j.id = p.task ORDER BY p.lock, p.place`,
  )
  for (const row of rows.iterate()) {
    const code = maybeInt(row.status)
    const party: LockParty = {
      taskId: text(row.task),
      name: text(row.name),
      ownerId: text(row.owner),
      revision: String(int(row.revision)),
      fence: String(int(row.fence)),
      since: int(row.since),
      carriesSubmission: row.carries === 1,
      status: code === undefined ? undefined : statusOf(code),
    }
    const lock = text(row.lock)
    if (row.place === 0) {
      current = { lock, view: { key: text(row.key), holder: party, queue: [] } }
      locks.push(current.view)
    } else if (current?.lock === lock) {
      current.view.queue.push(party)
    }
  }
  return locks
}

function readOwed(db: DatabaseSync): Pick<WorkSnapshot, 'owing' | 'owed'> {
  const owing = db.prepare(`SELECT task FROM ${OWING} WHERE live = 1`).all()
  const owed = db.prepare(`SELECT task, run, what, event FROM ${OWED} ORDER BY event`).all()
  return {
    owing: owing.map((row) => text(row.task)),
    owed: owed.map((row) => ({
      taskId: text(row.task),
      run: int(row.run),
      event: text(row.event),
      what: row.what === 'callback' ? 'callback' : 'on-failure',
    })),
  }
}

function readOccurrences(db: DatabaseSync): WorkSnapshot['occurrences'] {
  return db
    .prepare(
      `SELECT o.schedule, o.due, o.task, j.status FROM ${OCCURRENCES} o LEFT JOIN ${JOBS} j ON j.id = o.task
       WHERE o.open = 1 ORDER BY o.n`,
    )
    .all()
    .map((row) => {
      const code = maybeInt(row.status)
      const status = code === undefined ? undefined : statusOf(code)
      return { schedule: text(row.schedule), due: text(row.due), taskId: text(row.task), status }
    })
    .filter(({ status }) => status === undefined || isEnded(status))
}
