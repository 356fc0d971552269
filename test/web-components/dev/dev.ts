/**
 * The elements on a made-up server, to look at: `npx vite test/web-components/dev`, then `?view=board|cards|empty`,
 * `&busy` for a thousand changes a second, `&theme=dark`.
 */
import '../../../web-components/index.ts'
import '../../../web-components/shared/tokens.css'
import type { Job, JobStatus } from '../../../src/http/wire.ts'
import { aJob, FakeBoardServer } from '../fake-board-server.ts'

const options = new URLSearchParams(location.search)
const view = options.get('view') ?? 'board'
const theme = options.get('theme')
if (theme) document.documentElement.dataset.theme = theme
const now = Date.now()
const at = (seconds: number) => new Date(now + seconds * 1000).toISOString()
const MIN = 60

/** Of one task: titles come from a numbered input, as they would. */
function many(n: number, make: (index: number) => Partial<Job>): Job[] {
  return Array.from({ length: n }, (_, index) => aJob(make(index)))
}

const invoice = (index: number) => `Invoice 2026-${118_000 + index}`
const TASKS = ['render_invoice', 'send_statements', 'import_warehouse', 'sync_prices', 'build_report']
const task = (index: number) => TASKS[index % 7] ?? 'render_invoice'
const short = (index: number) => `task-01k9h7xw2mf${(index * 7919 + 46_656).toString(36).slice(-4)}`
let serial = 0
const named = (title: string, task_name: string, status: JobStatus, facts: Partial<Job> = {}) =>
  aJob({ id: `task-01k9h7xw2x${(46_656 + serial++ * 1237).toString(36)}`, title, task_name, status, ...facts })

const running: Job[] = [
  named('daily', 'build_report', 'running', {
    progress: { fraction: 0.62, message: null },
    started_at: at(-29),
    submitted_at: at(-53),
    attempt: 2,
    deadline: at(91),
    node: 'node-1',
    lock_key: 'report:daily',
  }),
  named('Catalogue 2026 W47', 'reindex_search', 'running', {
    progress: { fraction: 0.88, message: null },
    started_at: at(-300),
    submitted_at: at(-310),
  }),
  named('Bremen', 'import_warehouse', 'running', {
    progress: { fraction: 0.34, message: 'shelf 31 of 90' },
    started_at: at(-40),
    submitted_at: at(-44),
  }),
  ...many(3, (index) => ({
    id: short(index + 3),
    title: invoice(201 + index),
    task_name: 'render_invoice',
    status: 'running',
    started_at: at(-2 + index * 0.5),
    submitted_at: at(-3),
  })),
  named('UK price list', 'sync_prices', 'running', {
    progress: { fraction: 0.12, message: null },
    started_at: at(-9),
    submitted_at: at(-10),
  }),
  named('forecast-base', 'run_forecast', 'running', {
    progress: { fraction: 0.71, message: null },
    started_at: at(-900),
    submitted_at: at(-1000),
  }),
]
const queued: Job[] = [
  ...many(40, (index) => ({
    id: short(index + 90),
    title: invoice(204 + index),
    task_name: 'render_invoice',
    submitted_at: at(-5 * MIN + index * 7),
  })),
  named('2026-10', 'close_books', 'retry', {
    attempt: 1,
    retries: 2,
    run_at: at(48),
    error: { type: 'Error', message: 'ECONNRESET from ledger-db', retryable: true },
    submitted_at: at(-290),
  }),
  named('nightly', 'reindex_search', 'pending', {
    waiting_for: 'lock index:catalog, 1st in line',
    submitted_at: at(-282),
  }),
  named('Antwerp', 'import_warehouse', 'retry', {
    run_at: at(4),
    waiting_for: null,
    submitted_at: at(-284),
  }),
  named('legacy-feed', 'sync_vendor_feed', 'pending', {
    waiting_for: 'handler sync_vendor_feed',
    submitted_at: at(-270),
  }),
]
const scheduled: Job[] = [
  named('EU-WEST price list', 'sync_prices', 'scheduled', { run_at: at(14 * MIN + 20) }),
  named('2026-10, second try', 'ledger_report', 'scheduled', { run_at: at(24 * MIN + 20), lock_key: 'report:2026-10' }),
  named('scheduled', 'build_report', 'scheduled', { run_at: at(41 * MIN + 3) }),
  ...many(300, (index) => ({
    id: short(index + 400),
    title: `Statement run, batch ${index + 1}`,
    task_name: 'send_statements',
    status: 'scheduled',
    run_at: at((180 + index * 3) * MIN),
  })),
]
const completed = many(Number(options.get('completed') ?? 9_872), (index) => ({
  id: short(index + 1000),
  title: index % 9 === 3 ? 'Vendor statement, Okafor & Sons of Rotterdam' : invoice(9_999 - index),
  task_name: task(index),
  status: 'completed',
  result: { pages: 50, ok: true },
  started_at: at(-index * 9 - 2.2 - (index % 7 === 5 ? 48 : 0)),
  finished_at: at(-index * 9 - 1),
  submitted_at: at(-index * 9 - 60),
}))
const failed: Job[] = [
  named('2026-10', 'ledger_report', 'failed', {
    attempt: 2,
    finished_at: at(-34),
    error: {
      type: 'LedgerClosedError',
      message: 'period 2026-10 is locked by close_books until 14:30',
      retryable: false,
    },
    error_traceback:
      'LedgerClosedError: period 2026-10 is locked by close_books until 14:30\n    at closePeriod (ledger.ts:88:11)\n    at ledgerReport (reports.ts:31:9)',
  }),
  named('Gdansk', 'import_warehouse', 'timeout', {
    attempt: 2,
    finished_at: at(-150),
    error: { type: 'Error', message: 'No answer within 2 min, attempt 2 of 2', retryable: true },
  }),
  named('Invoice 2026-118174', 'render_invoice', 'failed', {
    finished_at: at(-260),
    error: { type: 'TemplateError', message: 'unknown field vat_id', retryable: false },
  }),
  named('forecast-stress', 'run_forecast', 'cancelled', { finished_at: at(-430), cancelled_by: 'user:M. Brandt' }),
  ...many(239, (index) => ({
    id: short(index + 20_000),
    title: invoice(166 - index),
    task_name: 'render_invoice',
    status: index % 5 === 2 ? 'timeout' : 'failed',
    finished_at: at(-900 - index * 61),
    error:
      index % 5 === 2
        ? { type: 'Error', message: 'No answer within 1 min, attempt 3 of 3', retryable: true }
        : { type: 'TemplateError', message: 'unknown field vat_id', retryable: false },
  })),
]

const all = view === 'empty' ? [] : [...scheduled, ...queued, ...running, ...completed, ...failed]
const server = new FakeBoardServer(all)
server.tasks = TASKS.map((name) => ({
  name,
  docstring: null,
  signature: '()',
  parameters: [],
  tags: ['close'],
  paused: false,
  schema: {},
}))
server.history = [
  { type: 'TaskSubmitted', at: at(-53), by: 'user:M. Brandt', position: '48150', revision: 0, data: {}, hash: null },
  {
    type: 'TaskStarted',
    at: at(-52.9),
    by: 'node:node-2',
    position: '48151',
    revision: 1,
    data: { attempt: 1, node: 'node-2' },
    hash: null,
  },
  {
    type: 'TaskInterrupted',
    at: at(-31),
    by: 'node:node-1',
    position: '48180',
    revision: 2,
    data: { cause: 'lost' },
    hash: null,
  },
  {
    type: 'TaskStarted',
    at: at(-29),
    by: 'node:node-1',
    position: '48190',
    revision: 3,
    data: { attempt: 2, node: 'node-1', deadline: at(91) },
    hash: null,
  },
  {
    type: 'TaskWriteRefused',
    at: at(-27),
    by: 'node:node-2',
    position: '48192',
    revision: 4,
    data: { attempt: 1, node: 'node-2', tried: 'to complete it', reason: 'Its claim had ended 4 s before.' },
    hash: null,
  },
  {
    type: 'TaskProgressed',
    at: at(-2),
    by: 'node:node-1',
    position: '48209',
    revision: 5,
    data: { fraction: 0.62, message: 'page 31 of 50' },
    hash: null,
  },
]
Object.assign(window, { server })

const main = document.querySelector('main')
if (view === 'cards') {
  main?.classList.add('cards')
  const [first] = completed
  const shown = [queued[40], queued[41], scheduled[1], running[0], running[3], first, failed[0], failed[1], failed[3]]
  for (const job of shown) {
    if (!job) continue
    const card = document.createElement('capsule-task-card')
    card.src = server.base
    card.jobId = job.id
    main?.append(card)
  }
} else {
  const board = document.createElement('capsule-task-board')
  board.src = server.base
  board.heading = 'All tasks'
  main?.append(board)
}

if (options.has('busy')) setInterval(step, 1000)

/** A second of ordinary life: progress, an end, a start, now and then a failure. */
function step(): void {
  const [done, ...others] = running
  for (const job of others) server.update(job.id, { progress: { fraction: Math.random(), message: null } })
  if (!done) return
  running.shift()
  server.update(done.id, { status: 'completed', finished_at: new Date().toISOString(), progress: null })
  const next = queued.shift()
  if (!next) return
  const started: Job = { ...next, status: 'running', started_at: new Date().toISOString(), waiting_for: null }
  running.push(started)
  server.put(started)
}
