/** The tables of the sessions read model, and how a conversation and an item of its transcript stand in a row. */
import { type Row, text } from '../columns.ts'
import {
  always,
  asJson,
  column,
  composed,
  FLAG,
  INT,
  listOf,
  MAYBE_TEXT,
  maybeJson,
  once,
  POSITION,
  RecordTable,
  TEXT,
} from '../record-table.ts'
import type { ItemView } from '../views.ts'
import type { SessionHead } from './session-fold.ts'

export const SESSIONS_VERSION = 5
const V = `sessions_v${SESSIONS_VERSION}`
export const SESSIONS = `${V}_rows`
export const ITEMS = `${V}_items`
/** Whether work waits in it: a start of a node looks only at these. */
export const OPEN = { no: 0, queued: 1, running: 2 } as const

export const sessionTable = new RecordTable<SessionHead>(SESSIONS, {
  id: once({ ...TEXT, sql: 'TEXT NOT NULL UNIQUE' }),
  ownerId: once(TEXT, 'owner'),
  title: always(MAYBE_TEXT),
  startedAt: once(INT),
  updatedAt: always(INT),
  opening: always(MAYBE_TEXT),
  preview: always(MAYBE_TEXT),
  ended: composed(
    {
      ended: column('always', FLAG, (head) => head.ended),
      open: column('always', INT, openOf),
    },
    (row) => FLAG.read(row.ended),
  ),
  nextIndex: always(INT),
  position: always(POSITION),
  turn: always(maybeJson<NonNullable<SessionHead['turn']>>()),
  queue: always(listOf<SessionHead['queue'][number]>()),
  streaming: always(listOf<SessionHead['streaming'][number]>()),
  data: always(asJson<SessionHead['data']>()),
})

export const SESSION_TABLES = `
    ${sessionTable.definition};
    CREATE INDEX ${V}_by_update ON ${SESSIONS}(updated_at);
    CREATE INDEX ${V}_by_owner ON ${SESSIONS}(owner, updated_at);
    CREATE INDEX ${V}_by_streaming ON ${SESSIONS}(id) WHERE streaming IS NOT NULL;
    CREATE INDEX ${V}_by_open ON ${SESSIONS}(open) WHERE open > 0;
    CREATE TABLE ${ITEMS} (
      session INTEGER NOT NULL,
      idx INTEGER NOT NULL,
      key TEXT NOT NULL,
      position INTEGER NOT NULL,
      item TEXT NOT NULL,
      PRIMARY KEY (session, idx)
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX ${V}_by_key ON ${ITEMS}(session, key);
  `

function openOf({ turn, queue }: SessionHead): number {
  if (turn !== undefined) return OPEN.running
  return queue.length > 0 ? OPEN.queued : OPEN.no
}

export function itemOf(row: Row): ItemView {
  return restored(JSON.parse(text(row.item)) as ItemView)
}

/** JSON drops members that are undefined; a view has them all. */
function restored(item: ItemView): ItemView {
  switch (item.kind) {
    case 'message':
      return { ...item, error: item.error }
    case 'reply':
      return { ...item, taskId: item.taskId }
    case 'task':
      return { ...item, message: item.message }
    default:
      return item
  }
}
