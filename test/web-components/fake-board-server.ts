/**
 * A server of jobs inside the page: boards with filters, columns and windows, single jobs, commands, history. It follows
 * the live protocol as the design states it, so that the elements are tested against the contract and not a mock.
 * It takes the place of WebSocket and fetch for its own base URL only.
 */
import type {
  Board,
  BoardChange,
  BoardColumnSpec,
  BoardFilter,
  BoardParams,
  BoardWindow,
  ClientFrame,
  HistoryEvent,
  Job,
  JobStatus,
  Problem,
  ServerFrame,
  TaskInfo,
} from '../../src/http/wire.ts'

const COLUMNS: readonly BoardColumnSpec[] = [
  { label: 'Scheduled', statuses: ['scheduled'] },
  { label: 'Queued', statuses: ['pending', 'retry'] },
  { label: 'Running', statuses: ['running'] },
  { label: 'Completed', statuses: ['completed'] },
  { label: 'Failed', statuses: ['failed', 'timeout', 'cancelled'] },
]

interface BoardFeed {
  socket: FakeSocket
  params: BoardParams
  windows: BoardWindow[]
  sent: Board
}

type CommandFrame = Extract<ClientFrame, { type: 'command' }>

let servers = 0

export class FakeBoardServer {
  /** For an element's `src`; another one for every server, so that no two tests share a connection. */
  readonly base = `http://board-${++servers}-${Math.random().toString(36).slice(2)}.test`
  readonly jobs = new Map<string, Job>()
  readonly commands: CommandFrame[] = []
  readonly frames: ClientFrame[] = []
  tasks: TaskInfo[] = []
  history: HistoryEvent[] = []
  /** Paths that were asked for, with their queries. */
  readonly asked: string[] = []
  /** Refuses a command, or lets it be done when undefined. */
  refuse: (frame: CommandFrame) => Problem | undefined = () => undefined
  /** Refuses a board. */
  refuseBoard: Problem | undefined
  position = 48_211
  silent = false
  /** Takes commands and leaves them at that. */
  commandsUnanswered = false
  readonly #sockets = new Set<FakeSocket>()
  readonly #boards = new Map<string, BoardFeed>()
  readonly #singles = new Map<string, { socket: FakeSocket; id: string; at: number }>()
  #online = true
  readonly #socket = window.WebSocket
  readonly #fetch = window.fetch

  constructor(jobs: readonly Job[] = []) {
    for (const job of jobs) this.jobs.set(job.id, job)
    const Previous = this.#socket
    const previousFetch = this.#fetch.bind(window)
    window.WebSocket = new Proxy(Previous, {
      construct: (target, [url]: [string]) =>
        String(url).startsWith(this.base.replace(/^http/, 'ws')) ? new FakeSocket(this) : new target(url),
    })
    window.fetch = async (input, init) => {
      const url = input instanceof Request ? input.url : String(input)
      return url.startsWith(this.base) ? this.#answer(new URL(url)) : previousFetch(input, init)
    }
  }

  [Symbol.dispose](): void {
    window.WebSocket = this.#socket
    window.fetch = this.#fetch
    for (const socket of [...this.#sockets]) socket.drop()
  }

  /** Puts jobs, new or changed, and tells those who follow. */
  put(...jobs: readonly Job[]): void {
    this.position += 1
    for (const job of jobs) this.jobs.set(job.id, { ...job, position: String(this.position) })
    this.tell()
  }

  update(id: string, facts: Partial<Job>): void {
    const job = this.jobs.get(id)
    if (job) this.put({ ...job, ...facts })
  }

  goOffline(): void {
    this.#online = false
    for (const socket of [...this.#sockets]) socket.drop()
  }

  goOnline(): void {
    this.#online = true
    window.dispatchEvent(new Event('online'))
  }

  /** Ends every board's subscription by itself. */
  endBoards(problem: Problem): void {
    for (const [id, { socket }] of this.#boards) socket.deliver({ type: 'error', id, problem })
    this.#boards.clear()
  }

  /** Sends every board and job what changed since it was last told. */
  tell(): void {
    for (const [id, feed] of this.#boards) {
      const board = this.board(feed.params, feed.windows)
      const changes = differences(feed.sent, board)
      if (changes.length > 0 || feed.sent.position !== board.position) {
        feed.socket.deliver({ type: 'delta', id, from: feed.sent.position, to: board.position, changes })
      }
      feed.sent = board
    }
    for (const [id, feed] of this.#singles) {
      const job = this.jobs.get(feed.id)
      if (!job) continue
      feed.socket.deliver({ type: 'delta', id, from: String(feed.at), to: String(this.position), changes: [job] })
      feed.at = this.position
    }
  }

  board({ filter = {}, columns = [...COLUMNS] }: BoardParams, windows: readonly BoardWindow[]): Board {
    const fitting = [...this.jobs.values()].filter((job) => fits(job, filter))
    const laid = columns.map((column, at) => {
      const order = orderOf(column.statuses)
      const all = fitting.filter((job) => column.statuses.includes(job.status)).sort(order.compare)
      const { after, limit } = windows[at] ?? { after: 0, limit: 50 }
      return { ...column, count: all.length, order: order.name, after, jobs: all.slice(after, after + limit) }
    })
    const total = laid.reduce((sum, column) => sum + column.count, 0)
    return { position: String(this.position), total, columns: laid }
  }

  opened(socket: FakeSocket): boolean {
    if (this.#online) this.#sockets.add(socket)
    return this.#online
  }

  closed(socket: FakeSocket): void {
    this.#sockets.delete(socket)
    for (const feeds of [this.#boards, this.#singles]) {
      for (const [id, feed] of feeds) if (feed.socket === socket) feeds.delete(id)
    }
  }

  receive(socket: FakeSocket, frame: ClientFrame): void {
    this.frames.push(frame)
    if (this.silent) return
    switch (frame.type) {
      case 'hello':
        socket.deliver({
          type: 'welcome',
          user: { id: 'local', name: 'Local' },
          position: String(this.position),
          server: { version: '1.0.0', node: 'node-1', time: new Date().toISOString() },
        })
        break
      case 'subscribe':
        this.#subscribe(socket, frame)
        break
      case 'window': {
        const feed = this.#boards.get(frame.id)
        if (!feed) break
        feed.windows[frame.column] = { after: frame.after, limit: frame.limit }
        this.tell()
        break
      }
      case 'unsubscribe':
        this.#boards.delete(frame.id)
        this.#singles.delete(frame.id)
        break
      case 'command':
        this.#command(socket, frame)
    }
  }

  #subscribe(socket: FakeSocket, frame: Extract<ClientFrame, { type: 'subscribe' }>): void {
    const position = String(this.position)
    if (frame.topic === 'board') {
      if (this.refuseBoard) {
        socket.deliver({ type: 'error', id: frame.id, problem: this.refuseBoard })
        return
      }
      const windows = COLUMNS.map((_, at) => frame.params.windows?.[at] ?? { after: 0, limit: 50 })
      const data = this.board(frame.params, windows)
      this.#boards.set(frame.id, { socket, params: frame.params, windows, sent: data })
      socket.deliver({ type: 'snapshot', id: frame.id, position, data })
    } else if (frame.topic === 'job') {
      const data = this.jobs.get(frame.params.id)
      if (!data) {
        const problem = aProblem('not-found', 'No such job', `There is no job ${frame.params.id}.`, 404)
        socket.deliver({ type: 'error', id: frame.id, problem })
        return
      }
      this.#singles.set(frame.id, { socket, id: data.id, at: this.position })
      socket.deliver({ type: 'snapshot', id: frame.id, position, data })
    }
  }

  #command(socket: FakeSocket, frame: CommandFrame): void {
    this.commands.push(frame)
    if (this.commandsUnanswered) return
    const problem = this.refuse(frame)
    if (problem) {
      socket.deliver({ type: 'error', id: frame.id, problem })
      return
    }
    const id = 'id' in frame.payload ? frame.payload.id : ''
    const job = this.jobs.get(id)
    if (job && frame.name === 'job.cancel')
      this.put(aJob({ ...job, ...ended('cancelled'), cancelled_by: 'user:local' }))
    if (job && frame.name === 'job.retry') {
      this.put(aJob({ ...job, status: 'pending', error: null, finished_at: null, ...actions('pending') }))
    }
    const result = this.jobs.get(id)
    if (result) socket.deliver({ type: 'ack', id: frame.id, position: String(this.position), result })
  }

  #answer(url: URL): Response {
    this.asked.push(url.pathname + url.search)
    if (url.pathname === '/api/v1/tasks') return Response.json(this.tasks)
    if (url.pathname.endsWith('/$events')) {
      const after = Number(url.searchParams.get('after') ?? -1)
      return Response.json(this.history.filter(({ revision }) => revision > after))
    }
    const problem = aProblem('not-found', 'Not found', `There is nothing at ${url.pathname}.`, 404)
    return Response.json(problem, { status: 404 })
  }
}

class FakeSocket extends EventTarget {
  readyState = 0
  onopen: (() => void) | null = null
  onmessage: ((event: MessageEvent<string>) => void) | null = null
  onclose: ((event: CloseEvent) => void) | null = null
  readonly #server: FakeBoardServer

  constructor(server: FakeBoardServer) {
    super()
    this.#server = server
    queueMicrotask(() => {
      if (!server.opened(this)) return this.drop()
      this.readyState = 1
      this.onopen?.()
    })
  }

  send(text: string): void {
    const frame = JSON.parse(text) as ClientFrame
    queueMicrotask(() => this.#server.receive(this, frame))
  }

  deliver(frame: ServerFrame): void {
    const data = JSON.stringify(frame)
    queueMicrotask(() => this.readyState === 1 && this.onmessage?.(new MessageEvent('message', { data })))
  }

  drop(): void {
    this.close(1006)
  }

  close(code = 1000): void {
    if (this.readyState === 3) return
    this.readyState = 3
    this.#server.closed(this)
    this.onclose?.(new CloseEvent('close', { code }))
  }
}

/** A column as it differs, by the rule of `BoardChange`. */
function differences(before: Board, after: Board): BoardChange[] {
  const changes: BoardChange[] = []
  for (const [column, now] of after.columns.entries()) {
    const was = before.columns[column]
    const known = new Map(was?.jobs.map((job) => [job.id, job]))
    const ids = now.jobs.map((job) => job.id)
    const sameIds = was?.jobs.map((job) => job.id).join() === ids.join()
    const jobs = now.jobs.filter((job) => known.get(job.id)?.position !== job.position)
    if (sameIds && jobs.length === 0 && was?.count === now.count && was.after === now.after) continue
    changes.push({ column, count: now.count, after: now.after, ...(sameIds ? {} : { ids }), jobs })
  }
  return changes
}

function fits(job: Job, filter: BoardFilter): boolean {
  const { q } = filter
  if (filter.task_name !== undefined && job.task_name !== filter.task_name) return false
  if (filter.tag !== undefined && !job.tags.includes(filter.tag)) return false
  if (filter.since !== undefined && job.submitted_at < filter.since) return false
  return !q || `${job.id} ${job.title} ${job.task_name}`.toLowerCase().includes(q.toLowerCase())
}

function orderOf(statuses: readonly JobStatus[]) {
  const by = (key: (job: Job) => string | null, sign: number) => (a: Job, b: Job) =>
    sign * ((key(a) ?? '').localeCompare(key(b) ?? '') || a.id.localeCompare(b.id))
  if (statuses.includes('scheduled')) return { name: 'next first', compare: by((job) => job.run_at, 1) } as const
  if (statuses.includes('pending') || statuses.includes('running')) {
    return { name: 'oldest first', compare: by((job) => job.submitted_at, 1) } as const
  }
  return { name: 'newest first', compare: by((job) => job.finished_at, -1) } as const
}

export function aProblem(code: string, title: string, detail: string, status = 409): Problem {
  return { type: `urn:capsule:error:${code}`, title, status, detail }
}

function actions(status: JobStatus): Pick<Job, 'allowed_actions' | 'refused_actions'> {
  if (status === 'completed') {
    return {
      allowed_actions: ['delete'],
      refused_actions: { cancel: 'It has ended: completed.', retry: 'It completed, there is nothing to retry.' },
    }
  }
  return ['failed', 'cancelled', 'timeout'].includes(status)
    ? { allowed_actions: ['retry', 'delete'], refused_actions: { cancel: `It has ended: ${status}.` } }
    : { allowed_actions: ['cancel'], refused_actions: { retry: 'It has not ended yet.' } }
}

function ended(status: JobStatus): Partial<Job> {
  return { status, finished_at: new Date().toISOString(), ...actions(status) }
}

let made = 0

/** A pending job of `build_report`, but for `facts`; actions are those its status allows. */
export function aJob(facts: Partial<Job> = {}): Job {
  made += 1
  const status = facts.status ?? 'pending'
  return {
    id: `task-01k9h7xw2m${String(made).padStart(4, '0')}`,
    task_name: 'build_report',
    title: `Report ${made}`,
    status,
    params: { report_id: 'daily' },
    result: null,
    error: null,
    error_traceback: null,
    attempt: status === 'pending' || status === 'scheduled' ? 0 : 1,
    retries: 1,
    failures: 0,
    progress: null,
    lock_key: null,
    waiting_for: null,
    session_id: null,
    owner_id: 'local',
    tags: [],
    priority: 0,
    joined: false,
    submitted_at: new Date(Date.now() - 60_000 + made).toISOString(),
    run_at: null,
    started_at: null,
    finished_at: null,
    deadline: null,
    node: null,
    cancelled_by: null,
    cancel_requested: false,
    abridged: false,
    ...actions(status),
    position: '1',
    ...facts,
  }
}
