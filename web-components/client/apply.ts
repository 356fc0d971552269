/**
 * How the changes of a delta turn the data of a topic into the next data. Pure: what did not change keeps its
 * identity, so that views can skip it. `undefined` means the change does not fit what we hold: subscribe afresh.
 */
import type {
  Board,
  BoardChange,
  BoardColumn,
  Job,
  Schedule,
  Session,
  Topic,
  Topics,
  Transcript,
  TranscriptChange,
} from '../../src/http/wire.ts'

type Appliers = {
  [T in Topic]: (
    data: Topics[T]['data'],
    changes: Topics[T]['change'][],
    position: string,
  ) => Topics[T]['data'] | undefined
}

export const apply: Appliers = {
  board: applyBoard,
  job: (_data, changes) => changes.at(-1),
  session: applyTranscript,
  sessions: (data, changes) =>
    upsertAll<Session>(
      data,
      changes.map((change) => change.session),
      (session) => session.id,
    ).sort((a, b) => b.updated_at.localeCompare(a.updated_at)),
  schedules: (data, changes) => upsertAll<Schedule>(data, changes, (schedule) => schedule.name),
}

function applyBoard(board: Board, changes: BoardChange[], position: string): Board | undefined {
  const columns = board.columns.slice()
  let total = board.total
  for (const change of changes) {
    const column = columns[change.column]
    const next = column && applyColumn(column, change)
    if (!column || !next) return undefined
    columns[change.column] = next
    total += next.count - column.count
  }
  return { position, total, columns }
}

function applyColumn(column: BoardColumn, change: BoardChange): BoardColumn | undefined {
  const changed = new Map(change.jobs.map((job) => [job.id, job]))
  const { count, after } = change
  if (!change.ids) {
    return { ...column, count, after, jobs: column.jobs.map((job) => changed.get(job.id) ?? job) }
  }
  const known = new Map<string, Job>(column.jobs.map((job) => [job.id, job]))
  const jobs: Job[] = []
  for (const id of change.ids) {
    const job = changed.get(id) ?? known.get(id)
    if (!job) return undefined
    jobs.push(job)
  }
  return { ...column, count, after, jobs }
}

function applyTranscript(data: Transcript, changes: TranscriptChange[]): Transcript {
  let { session } = data
  const items = []
  for (const change of changes) {
    if (change.kind === 'session') session = change.session
    else items.push(change.item)
  }
  if (items.length === 0) return { ...data, session }
  return { session, items: upsertAll(data.items, items, (item) => item.id).sort((a, b) => a.index - b.index) }
}

function upsertAll<V>(list: V[], changes: V[], key: (value: V) => string): V[] {
  const index = new Map(list.map((value, at) => [key(value), at]))
  const next = list.slice()
  for (const change of changes) {
    const at = index.get(key(change))
    if (at === undefined) {
      index.set(key(change), next.length)
      next.push(change)
    } else next[at] = change
  }
  return next
}
