/**
 * A server inside the page, speaking the live protocol and the little REST that the chat, the shell and the schedules use.
 * Tests say what it holds and answers; it records what it was asked. It takes the place of WebSocket and fetch for its own
 * base URL only.
 */
import type {
  AppInfo,
  ClientFrame,
  CommandName,
  Commands,
  Job,
  Page,
  Problem,
  Schedule,
  ServerFrame,
  Session,
  Topic,
  Topics,
  Transcript,
  TranscriptItem,
} from '../../src/http/wire.ts'

type CommandFrame = Extract<ClientFrame, { type: 'command' }>
type Answer = { result: Commands[CommandName]['result'] } | { problem: Problem } | 'silence'

let servers = 0

export class FakeServer {
  /** The value for an element's `src`; another one for every server, so that no two tests share a connection. */
  readonly base = `http://fake-${++servers}-${Math.random().toString(36).slice(2)}.test`
  info: AppInfo = {
    name: 'jobs-demo',
    version: '1.0.0',
    node: 'node-1',
    has_chat: true,
    has_schedules: true,
    pages: [{ name: 'Tasks', icon: 'layout-grid', slug: 'tasks' }],
  }
  readonly pages = new Map<string, Page>()
  readonly transcripts = new Map<string, Transcript>()
  readonly jobs = new Map<string, Job>()
  schedules: Schedule[] = []
  /** Every command as it came, repeats included. */
  readonly commands: CommandFrame[] = []
  /** What to answer; undefined leaves it to the server's own behaviour. */
  answer: (frame: CommandFrame) => Answer | undefined = () => undefined
  readonly #done = new Map<string, Commands[CommandName]['result']>()
  readonly #sockets = new Set<FakeSocket>()
  #position = 100
  #online = true
  #mayAnswer: Promise<void> | undefined
  readonly #realSocket = window.WebSocket
  readonly #realFetch = window.fetch

  constructor() {
    const server = this
    const Real = this.#realSocket
    const RealFetch = this.#realFetch.bind(window)
    window.WebSocket = new Proxy(Real, {
      construct(target, [url, protocols]: [string, string[] | undefined]) {
        return String(url).startsWith(server.base.replace(/^http/, 'ws'))
          ? new FakeSocket(server)
          : new target(url, protocols)
      },
    })
    window.fetch = async (input, init) => {
      await this.#mayAnswer
      const url = input instanceof Request ? input.url : String(input)
      return url.startsWith(this.base) ? this.#fetch(new URL(url)) : RealFetch(input, init)
    }
  }

  [Symbol.dispose](): void {
    window.WebSocket = this.#realSocket
    window.fetch = this.#realFetch
    for (const socket of this.#sockets) socket.drop()
  }

  // What tests do to it ----------------------------------------------------------------------------------------------

  startSession(id: string, items: readonly TranscriptItem[] = [], facts: Partial<Session> = {}): Transcript {
    const transcript = { session: aSession({ id, ...facts }), items: [...items] }
    this.transcripts.set(id, transcript)
    this.#tell('sessions', {}, [{ session: transcript.session }])
    return transcript
  }

  say(session: string, ...items: TranscriptItem[]): void {
    const transcript = this.#transcript(session)
    for (const item of items) {
      const at = transcript.items.findIndex((known) => known.id === item.id)
      if (at >= 0) transcript.items[at] = item
      else transcript.items.push(item)
    }
    this.#tell(
      'session',
      { id: session },
      items.map((item) => ({ kind: 'item', item })),
    )
  }

  setSession(id: string, facts: Partial<Session>): void {
    const transcript = this.#transcript(id)
    transcript.session = { ...transcript.session, ...facts }
    this.#tell('session', { id }, [{ kind: 'session', session: transcript.session }])
    this.#tell('sessions', {}, [{ session: transcript.session }])
  }

  setSchedule(schedule: Schedule): void {
    this.schedules = this.schedules.map((known) => (known.name === schedule.name ? schedule : known))
    this.#tell('schedules', {}, [schedule])
  }

  /** Lets everybody wait who asks by HTTP, until what it gives back is called. */
  delayAnswers(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#mayAnswer = promise
    return resolve
  }

  goOffline(): void {
    this.#online = false
    for (const socket of [...this.#sockets]) socket.drop()
  }

  /** As a server that no longer knows who is there. */
  signOut(): void {
    for (const socket of [...this.#sockets]) socket.drop(4401)
  }

  goOnline(): void {
    this.#online = true
    window.dispatchEvent(new Event('online'))
  }

  // What sockets ask of it -------------------------------------------------------------------------------------------

  opened(socket: FakeSocket): boolean {
    if (this.#online) this.#sockets.add(socket)
    return this.#online
  }

  closed(socket: FakeSocket): void {
    this.#sockets.delete(socket)
  }

  receive(socket: FakeSocket, frame: ClientFrame): void {
    switch (frame.type) {
      case 'hello':
        socket.deliver({
          type: 'welcome',
          user: { id: 'local', name: 'Local' },
          position: String(this.#position),
          server: { version: '1.0.0', node: 'node-1', time: new Date().toISOString() },
        })
        break
      case 'subscribe':
        this.#subscribe(socket, frame)
        break
      case 'unsubscribe':
        socket.feeds.delete(frame.id)
        break
      case 'command':
        this.#command(socket, frame)
        break
    }
  }

  #subscribe(socket: FakeSocket, frame: Extract<ClientFrame, { type: 'subscribe' }>): void {
    const data = this.#data(frame)
    if (data === undefined) {
      const problem = problemOf('not-found', 'Not found', 'There is nothing with this id.', 404)
      socket.deliver({ type: 'error', id: frame.id, problem })
      return
    }
    const position = String(this.#position)
    socket.feeds.set(frame.id, { topic: frame.topic, key: keyOf(frame.topic, frame.params), position })
    socket.deliver({ type: 'snapshot', id: frame.id, position, data: structuredClone(data) })
  }

  #data(frame: Extract<ClientFrame, { type: 'subscribe' }>): Topics[Topic]['data'] | undefined {
    switch (frame.topic) {
      case 'session':
        return this.transcripts.get(frame.params.id)
      case 'sessions':
        return [...this.transcripts.values()].map((transcript) => transcript.session)
      case 'schedules':
        return this.schedules
      case 'job':
        return this.jobs.get(frame.params.id)
      case 'board':
        return { position: String(this.#position), total: 0, columns: [] }
    }
  }

  #command(socket: FakeSocket, frame: CommandFrame): void {
    this.commands.push(frame)
    const known = this.#done.get(frame.id)
    const answer = known ? { result: known } : (this.answer(frame) ?? { result: this.#obey(frame) })
    if (answer === 'silence') return
    if ('problem' in answer) {
      socket.deliver({ type: 'error', id: frame.id, problem: answer.problem })
      return
    }
    this.#done.set(frame.id, answer.result)
    socket.deliver({ type: 'ack', id: frame.id, position: String(this.#position), result: answer.result })
  }

  #obey(frame: CommandFrame): Commands[CommandName]['result'] {
    if (frame.name !== 'message.send') return {}
    const { session_id, text } = frame.payload
    if (!this.transcripts.has(session_id)) this.startSession(session_id)
    const id = `message-${frame.id}`
    this.say(session_id, aMessage({ id, text, index: this.#transcript(session_id).items.length }))
    return { message_id: id }
  }

  #transcript(id: string): Transcript {
    const transcript = this.transcripts.get(id)
    if (!transcript) throw new Error(`no session ${id}`)
    return transcript
  }

  #tell<T extends Topic>(topic: T, params: Topics[T]['params'], changes: Topics[T]['change'][]): void {
    this.#position += 1
    const to = String(this.#position)
    for (const socket of this.#sockets) {
      for (const [id, feed] of socket.feeds) {
        if (feed.topic !== topic || feed.key !== keyOf(topic, params)) continue
        socket.deliver({ type: 'delta', id, from: feed.position, to, changes: structuredClone(changes) })
        feed.position = to
      }
    }
  }

  #fetch(url: URL): Response {
    if (!this.#online) throw new TypeError('Failed to fetch')
    const page = url.pathname.match(/^\/api\/v1\/pages\/(.+)$/)?.[1]
    if (url.pathname === '/api/v1/info') return Response.json(this.info)
    if (page !== undefined && this.pages.has(page)) return Response.json(this.pages.get(page))
    const problem = problemOf('not-found', 'Not found', `There is nothing at ${url.pathname}.`, 404)
    return Response.json(problem, { status: 404, headers: { 'content-type': 'application/problem+json' } })
  }
}

class FakeSocket {
  readonly feeds = new Map<string, { topic: Topic; key: string; position: string }>()
  readyState = 0
  onopen: (() => void) | null = null
  onmessage: ((event: MessageEvent<string>) => void) | null = null
  onclose: ((event: CloseEvent) => void) | null = null
  readonly #server: FakeServer

  constructor(server: FakeServer) {
    this.#server = server
    queueMicrotask(() => {
      if (server.opened(this)) {
        this.readyState = 1
        this.onopen?.()
      } else this.drop()
    })
  }

  send(text: string): void {
    const frame: ClientFrame = JSON.parse(text)
    queueMicrotask(() => {
      if (this.readyState === 1) this.#server.receive(this, frame)
    })
  }

  deliver(frame: ServerFrame): void {
    const data = JSON.stringify(frame)
    queueMicrotask(() => this.readyState === 1 && this.onmessage?.(new MessageEvent('message', { data })))
  }

  close(): void {
    this.drop(1000)
  }

  drop(code = 1006): void {
    if (this.readyState === 3) return
    this.readyState = 3
    this.#server.closed(this)
    this.onclose?.(new CloseEvent('close', { code }))
  }
}

function keyOf(topic: Topic, params: Topics[Topic]['params']): string {
  return topic === 'session' || topic === 'job' ? JSON.stringify(params) : ''
}

export function problemOf(code: string, title: string, detail: string, status: number): Problem {
  return { type: `urn:capsule:error:${code}`, title, status, detail }
}

// What it may hold -----------------------------------------------------------------------------------------------------

export function aSession(facts: Partial<Session> = {}): Session {
  return {
    id: 'session-1',
    title: null,
    owner_id: 'local',
    started_at: '2026-11-22T14:00:00.000Z',
    updated_at: new Date().toISOString(),
    opening: null,
    preview: null,
    turn: null,
    jobs: { running: 0, waiting: 0, completed: 0, failed: 0 },
    ended: false,
    position: '1',
    ...facts,
  }
}

type ItemOf<K extends TranscriptItem['kind']> = Extract<TranscriptItem, { kind: K }>

export function aMessage(facts: Partial<ItemOf<'message'>> = {}): ItemOf<'message'> {
  const at = new Date().toISOString()
  return {
    kind: 'message',
    id: 'm1',
    index: 0,
    at,
    text: 'run',
    by: 'user:local',
    state: 'answered',
    error: null,
    ...facts,
  }
}

export function aReply(facts: Partial<ItemOf<'reply'>> = {}): ItemOf<'reply'> {
  const at = new Date().toISOString()
  return { kind: 'reply', id: 'r1', index: 1, at, text: 'Done.', streaming: false, task_id: null, ...facts }
}

export function aNotice(facts: Partial<ItemOf<'notice'>> = {}): ItemOf<'notice'> {
  return { kind: 'notice', id: 'n1', index: 2, at: new Date().toISOString(), text: 'Starting', earlier: [], ...facts }
}

export function aTaskItem(facts: Partial<ItemOf<'task'>> = {}): ItemOf<'task'> {
  return { kind: 'task', id: 't1', index: 3, at: new Date().toISOString(), job_id: 'job-1', message: null, ...facts }
}

export function aJob(facts: Partial<Job> = {}): Job {
  const at = new Date().toISOString()
  return {
    id: 'job-1',
    task_name: 'build_report',
    title: 'daily',
    status: 'running',
    params: { report_id: 'daily' },
    result: null,
    error: null,
    error_traceback: null,
    attempt: 1,
    retries: 1,
    failures: 0,
    progress: null,
    lock_key: null,
    waiting_for: null,
    session_id: 'session-1',
    owner_id: 'local',
    tags: [],
    priority: 0,
    joined: false,
    submitted_at: at,
    run_at: null,
    started_at: at,
    finished_at: null,
    deadline: null,
    node: 'node-1',
    cancelled_by: null,
    cancel_requested: false,
    allowed_actions: ['cancel'],
    abridged: false,
    refused_actions: {},
    position: '1',
    ...facts,
  }
}

export function aSchedule(facts: Partial<Schedule> = {}): Schedule {
  return {
    name: 'weekday_digest',
    description: 'Prepares the digest for the owner',
    cron: '0 9 * * 1-5',
    meaning: 'Weekdays at 09:00',
    timezone: 'UTC',
    overlap: 'skip',
    missed: 'latest',
    paused: false,
    removed: false,
    next_at: new Date(Date.now() + 860_000).toISOString(),
    last: [],
    position: '1',
    ...facts,
  }
}
