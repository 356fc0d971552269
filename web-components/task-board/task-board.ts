/**
 * All tasks, live, as columns of cards. The server holds and filters them; the board asks for the cards in view,
 * draws those, and moves its windows as one scrolls, so that ten thousand tasks cost what fifty do.
 */
import { html, nothing, type TemplateResult } from 'lit'
import type { Board, BoardColumn, BoardColumnSpec, BoardFilter, Job, TaskInfo } from '../../src/http/wire.ts'
import { LiveTopic, ProblemError } from '../client/index.ts'
import {
  announce,
  blank,
  CapsuleElement,
  connectionState,
  define,
  EverySecond,
  format,
  icon,
  jobs,
} from '../shared/index.ts'
import { openDetail } from '../task-card/index.ts'
import { noMatch, nothingYet, refused } from './blank.ts'
import { outcome } from './bulk.ts'
import { columnOf, loadingColumns } from './column.ts'
import { ColumnView } from './column-view.ts'
import { Filters } from './filters.ts'
import type { MenuItem } from './menu.ts'
import { places, play } from './moves.ts'
import { type BulkActions, Selection } from './selection.ts'
import { styles } from './task-board.styles.ts'

const NOTICE_STAYS = 6_000
/** Motion explains a change; in a stream of them it explains nothing and costs frames. In ms, and changes. */
const HALF_LIFE = 200
const CALM = 5

type Places = ReturnType<typeof places>

/** Where the focus was before a render took its card away. */
interface FocusedCard {
  id: string
  column: number
  index: number
}

/**
 * @element capsule-task-board
 * @attr src - base URL of the server; the page's own origin by default
 * @attr heading - what the board is called; "Tasks" by default
 * @attr filter - JSON; what the board is about: `{"task_name": "build_report"}`. Its own search and
 *   chips narrow it further
 * @attr columns - JSON; `[{"label": "Done", "statuses": ["completed"]}]`. By default five
 * @attr refresh-ms - shows changes this often instead of as they come
 * @fires capsule-task-open - a card was opened; `detail: { id }`. Preventing it keeps the own dialog shut
 * @fires capsule-task-action - the server accepted an action; `detail: { id, action }`
 * @slot actions - buttons at the end of the header
 * @slot timeline - below the columns
 * @csspart card - each card
 * @csspart column - each column
 * @csspart connection - the state of the connection
 * @cssprop [--capsule-board-height=40rem] - its height, unless the page sets one
 */
export class CapsuleTaskBoard extends CapsuleElement {
  static override styles = [...CapsuleElement.styles, blank, styles]
  static override properties = {
    src: { type: String },
    heading: { type: String },
    filter: { type: Object },
    columns: { type: Array },
    refreshMs: { type: Number, attribute: 'refresh-ms' },
    tasks: { state: true },
    here: { state: true },
    said: { state: true },
  }

  declare src: string | undefined
  declare heading: string
  declare filter: BoardFilter | undefined
  declare columns: BoardColumnSpec[] | undefined
  declare refreshMs: number | undefined
  declare protected tasks: TaskInfo[] | undefined
  /** Narrow form: the column shown. */
  declare protected here: number
  /** What was just done or refused. */
  declare protected said: string | undefined

  readonly #live = new LiveTopic(this, {
    src: () => this.src,
    topic: 'board',
    params: () => this.#asked,
    refresh: () => this.refreshMs ?? 0,
  })
  readonly #filters = new Filters(this)
  readonly #selection = new Selection(this)
  readonly #bulk: BulkActions = {
    act: (ids, action) => void this.#act(ids, action),
    copyIds: (ids) => void this.#copyIds(ids),
  }
  /** What the server was last asked for, as text. */
  #question = ''
  #tasksAsked = false
  #views: ColumnView[] = []
  /** By column: the card that Tab reaches. */
  #tabStops = new Map<number, string>()
  #drawn: Board | undefined
  /** Distances to scroll once the next render has made room for them. */
  #scrollBy: [list: HTMLElement, distance: number][] = []
  #before: Places | undefined
  /** How many changes were drawn of late, each counting half after every HALF_LIFE. */
  #rush = 0
  #changedAt = 0
  #focus: FocusedCard | undefined
  /** A row to focus once it is drawn. */
  #wanted: { column: number; index: number } | undefined
  #lastStatus: string | undefined
  #noticeTimer: number | undefined
  /** What awaits its answer: a second click asks for the same. */
  readonly #awaited = new Set<string>()
  #watched = new WeakSet<HTMLElement>()
  readonly #resized = new ResizeObserver(() => this.requestUpdate())

  static {
    // Heights are known only once cards are drawn: drawing again is meant.
    CapsuleTaskBoard.disableWarning?.('change-in-update')
  }

  constructor() {
    super()
    this.heading = ''
    this.here = 0
    new EverySecond(this, () => this.#live.data !== undefined || this.#live.state.status === 'offline')
  }

  get #asked(): { filter: BoardFilter; columns?: BoardColumnSpec[] } {
    const filter = { ...this.filter, ...this.#filters.chosen }
    return this.columns ? { filter, columns: this.columns } : { filter }
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.#resized.disconnect()
    this.#watched = new WeakSet()
    // Lists that come back are at their top, and the server is asked anew.
    for (const view of this.#views) view.reset()
    window.clearTimeout(this.#noticeTimer)
  }

  // Render: model first, then the DOM, then what can only be known from it -----------------------------------------

  protected override willUpdate(): void {
    const question = JSON.stringify([this.src, this.#asked])
    const asksAnew = question !== this.#question
    this.#question = question
    if (asksAnew) for (const view of this.#views) view.reset()
    const board = this.#live.data
    if (!board || board === this.#drawn) return
    this.#before = this.#isCalm() && this.#drawn && !asksAnew ? places(this.renderRoot) : undefined
    this.#focus = this.#focusedCard()
    this.#views = board.columns.map((column, at) => {
      const view = this.#views[at] ?? new ColumnView()
      view.take(column)
      return view
    })
    if (!this.#drawn) this.here = whereToBegin(board)
    this.here = Math.min(this.here, Math.max(0, board.columns.length - 1))
    this.#selection.refresh(board)
    this.#tellFocused(board)
    this.#drawn = board
  }

  #isCalm(): boolean {
    const now = performance.now()
    this.#rush = 1 + this.#rush * 0.5 ** ((now - this.#changedAt) / HALF_LIFE)
    this.#changedAt = now
    return this.#rush < CALM
  }

  /** Cards hand the focus on by themselves, when it is known where they went. */
  protected override refuge(lost: Element): HTMLElement | null | undefined {
    return lost.closest('[data-id]') ? undefined : (this.#tabStopInView() ?? this.renderRoot.querySelector('input'))
  }

  protected override render(): TemplateResult {
    const board = this.#live.data
    const bar = board && isUnused(board) && !this.#isNarrowed ? nothing : this.#filterBar()
    return html`${this.#header(board)}${bar}${this.#body(board)}
      <slot name="timeline"></slot>
      <div class="float">${this.#notice()}${this.#selection.render(this.#bulk)}</div>`
  }

  protected override updated(): void {
    for (const [list, distance] of this.#scrollBy) list.scrollTop += distance
    this.#scrollBy = []
    if (this.#look()) {
      this.requestUpdate()
      return
    }
    this.#keepFocus()
    const stage = this.renderRoot.querySelector<HTMLElement>('.stage')
    const columns = this.renderRoot.querySelector<HTMLElement>('.columns')
    if (this.#before && stage && columns) play(columns, stage, this.#before)
    this.#before = undefined
  }

  /**
   * Learns heights and viewports from what is drawn and asks for windows, reading all before writing any. True when
   * that changes what is to be drawn: then the lists scroll after the next render, which makes room for it.
   */
  #look(): boolean {
    const lists = this.#lists()
    const found = lists.map((list) => {
      this.#watch(list)
      const cards = [...list.querySelectorAll<HTMLElement>('[data-id]')]
      const gap = cards[0] ? Number.parseFloat(getComputedStyle(cards[0]).marginBottom) : 0
      const heights = cards.map((each) => [each.dataset.id ?? '', each.offsetHeight + gap] as const)
      return { list, heights, viewport: list.clientHeight }
    })
    let again = false
    for (const [at, { list, heights, viewport }] of found.entries()) {
      const view = this.#views[at]
      if (!view) continue
      if (view.takeReset()) list.scrollTop = 0
      if (view.viewport !== viewport) again = view.moved(view.scrollTop, viewport) || again
      again = view.measured(heights) || again
      const distance = view.settle()
      if (distance !== 0) {
        this.#scrollBy.push([list, distance])
        again = true
      }
      const next = view.wanted()
      if (next) this.#live.window(at, next.after, next.limit)
    }
    return again
  }

  /** Once per list: observing again would report again, and render for ever. */
  #watch(list: HTMLElement): void {
    if (this.#watched.has(list)) return
    this.#watched.add(list)
    this.#resized.observe(list)
  }

  #lists(): HTMLElement[] {
    return [...this.renderRoot.querySelectorAll<HTMLElement>('.list')]
  }

  // Header and filters ---------------------------------------------------------------------------------------------

  #header(board: Board | undefined): TemplateResult {
    const { state, position } = this.#live
    const extra = position ? html`<span class="only-wide">position ${format.position(position)}</span>` : nothing
    return html`<div class="head">
      <h2 class="truncate">${this.heading || 'Tasks'}</h2>
      <span class="total num">${board ? format.count(board.total) : nothing}</span>
      <span class="grow"></span>
      ${connectionState(state, html`${extra}`)}
      <slot name="actions"></slot>
    </div>`
  }

  /** What is shown is what a filter let through, also while all of it is on its way again. */
  get #isNarrowed(): boolean {
    return this.#filters.active || this.#live.stale
  }

  readonly #clearFilters = (): void => {
    this.#filters.clear()
    this.renderRoot.querySelector('input')?.focus()
  }

  #filterBar(): TemplateResult {
    return this.#filters.render({
      given: this.filter ?? {},
      tasks: this.tasks,
      askForTasks: () => void this.#loadTasks(),
      now: () => this.#live.now(),
    })
  }

  /** Once: where it fails, asking at every render would not help. */
  async #loadTasks(): Promise<void> {
    if (this.#tasksAsked || !this.#live.connection) return
    this.#tasksAsked = true
    try {
      this.tasks = await this.#live.connection.rest<TaskInfo[]>('/api/v1/tasks')
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      this.#say(`The names of tasks are not known: ${error.message}`)
    }
  }

  // Columns --------------------------------------------------------------------------------------------------------

  #body(board: Board | undefined): TemplateResult {
    const problem = this.#live.problem ?? this.#live.state.problem
    if (!board)
      return problem
        ? refused(problem)
        : loadingColumns(
            this.columns?.map((column) => column.label),
            this.#live.state.status === 'offline',
          )
    if (board.total === 0 && this.#isNarrowed) return noMatch(this.#clearFilters)
    if (isUnused(board)) {
      const labels = board.columns.map((column) => column.label)
      void this.#loadTasks()
      const named = this.tasks?.find((task) => task.name === this.filter?.task_name)
      return nothingYet(labels, this.#live.connection?.base ?? '', named ?? this.tasks?.[0], {
        copy: (command) => void this.#copy(command, 'Command copied.'),
        submit: (task) => void this.#submit(task),
      })
    }
    const now = this.#live.now()
    return html`<div class="tabs" role="tablist" aria-label="Columns" @keydown=${this.#tabKey}>
        ${board.columns.map(
          (column, at) =>
            html`<button
              role="tab"
              type="button"
              aria-selected=${at === this.here}
              aria-controls="column-${at}"
              tabindex=${at === this.here ? 0 : -1}
              @click=${() => this.#show(at)}
            >
              ${column.label}<span class="num">${format.count(column.count)}</span>
            </button>`,
        )}
      </div>
      <div
        class="columns"
        aria-busy=${this.#live.stale}
        @click=${this.#clicked}
        @keydown=${this.#key}
        @focusin=${this.#focused}
      >
        ${board.columns.map((column, at) => this.#column(column, at, now))}
      </div>
      <div class="stage" aria-hidden="true"></div>`
  }

  #column(column: BoardColumn, at: number, now: number): TemplateResult | typeof nothing {
    const view = this.#views[at]
    if (!view) return nothing
    return columnOf(column, at, {
      view,
      shown: at === this.here,
      tabStop: this.#tabStop(at, column, view),
      selected: (id) => this.#selection.has(id),
      menu: this.#columnMenu(column, at, view),
      scrolled: this.#scrolled,
      now,
    })
  }

  #columnMenu(column: BoardColumn, at: number, view: ColumnView): MenuItem[] {
    if (column.count === 0) return []
    const inView = column.jobs.slice(Math.max(0, view.inView.start - column.after), view.inView.end - column.after)
    return [
      {
        label: `Select ${format.count(inView.length)} in view`,
        run: () => this.#selection.add(inView),
      },
      { label: 'Copy their ids', run: () => void this.#copyIds(inView.map((job) => job.id)) },
      { label: 'Go to the first', run: () => this.#goTo(at, 0) },
      { label: 'Go to the last', run: () => this.#goTo(at, column.count - 1) },
    ]
  }

  readonly #scrolled = (event: Event): void => {
    const list = event.currentTarget
    if (!(list instanceof HTMLElement)) return
    const at = Number(list.dataset.column)
    if (this.#views[at]?.moved(list.scrollTop, list.clientHeight)) this.requestUpdate()
  }

  #show(at: number): void {
    this.here = at
    const tab = this.renderRoot.querySelectorAll('[role="tab"]')[at]
    tab?.scrollIntoView({ block: 'nearest', inline: 'center' })
  }

  readonly #tabKey = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
    const count = this.#views.length
    if (step === 0 || count === 0) return
    event.preventDefault()
    this.#show((this.here + step + count) % count)
    void this.updateComplete.then(() =>
      this.renderRoot.querySelector<HTMLElement>('[role="tab"][aria-selected="true"]')?.focus(),
    )
  }

  // Cards: focus, keys, selection ----------------------------------------------------------------------------------

  #tabStop(at: number, column: BoardColumn, view: ColumnView): string | undefined {
    const held = this.#tabStops.get(at)
    const drawn = column.jobs.slice(Math.max(0, view.range.start - column.after), view.range.end - column.after)
    if (held && drawn.some((job) => job.id === held)) return held
    return column.jobs[view.inView.start - column.after]?.id ?? drawn[0]?.id
  }

  #focusedCard(): FocusedCard | undefined {
    const { activeElement } = this.renderRoot as ShadowRoot
    const id = activeElement?.closest<HTMLElement>('[data-id]')?.dataset.id
    return id === undefined ? undefined : this.#find(id)
  }

  #find(id: string): FocusedCard | undefined {
    for (const [column, { jobs: cards, after }] of (this.#drawn?.columns ?? []).entries()) {
      const at = cards.findIndex((job) => job.id === id)
      if (at >= 0) return { id, column, index: after + at }
    }
    return undefined
  }

  /** A card that moved keeps the focus; one that left hands it to the card that took its place. */
  #keepFocus(): void {
    if (this.#wanted) {
      const { column, index } = this.#wanted
      if (this.#focusRow(column, index)) this.#wanted = undefined
    }
    const had = this.#focus
    this.#focus = undefined
    if (!had || this.#focusedCard()?.id === had.id) return
    if (this.#open(had.id)) {
      this.#open(had.id)?.focus({ preventScroll: true })
      return
    }
    const count = this.#drawn?.columns[had.column]?.count ?? 0
    if (count > 0) this.#goTo(had.column, Math.min(had.index, count - 1))
    else this.#tabStopInView()?.focus({ preventScroll: true })
  }

  #tabStopInView(): HTMLElement | undefined {
    const stops = [...this.renderRoot.querySelectorAll<HTMLElement>('.open[tabindex="0"]')]
    return stops.find((each) => each.checkVisibility())
  }

  #open(id: string): HTMLElement | undefined {
    const open = this.renderRoot.querySelector<HTMLElement>(`.list [data-id="${CSS.escape(id)}"] .open`)
    return open?.checkVisibility() ? open : undefined
  }

  #focusRow(column: number, index: number): boolean {
    const held = this.#drawn?.columns[column]
    const job = held?.jobs[index - held.after]
    const open = job && this.#open(job.id)
    open?.focus({ preventScroll: true })
    return open !== undefined
  }

  /** Scrolls a row into view and focuses it, now or when it is drawn. */
  #goTo(column: number, index: number): void {
    const view = this.#views[column]
    const list = this.#lists()[column]
    if (!view || !list) return
    const offset = view.offsetFor(index)
    if (offset !== view.scrollTop) {
      list.scrollTop = offset
      view.moved(list.scrollTop, list.clientHeight)
      this.requestUpdate()
    }
    if (!this.#focusRow(column, index)) {
      this.#wanted = { column, index }
      this.requestUpdate()
    }
  }

  readonly #focused = (event: FocusEvent): void => {
    const id = event.target instanceof HTMLElement && event.target.closest<HTMLElement>('[data-id]')?.dataset.id
    const at = id ? this.#find(id) : undefined
    if (!at || this.#tabStops.get(at.column) === at.id) return
    this.#tabStops.set(at.column, at.id)
    this.requestUpdate()
  }

  readonly #clicked = (event: MouseEvent): void => {
    if (!(event.target instanceof Element)) return
    const id = event.target.closest<HTMLElement>('[data-id]')?.dataset.id
    if (id === undefined) return
    const job = this.#job(id)
    const column = this.#drawn?.columns.find((each) => job && each.jobs.includes(job))
    if (!job || !column) return
    if (event.shiftKey) this.#selection.extendTo(job, column)
    else if (event.target.closest('.pick') || event.ctrlKey || event.metaKey) this.#selection.toggle(job)
    else this.#openCard(id)
  }

  #openCard(id: string): void {
    if (this.emit('task-open', { id })) void openDetail(this, this.src, id)
  }

  #job(id: string): Job | undefined {
    const at = this.#find(id)
    if (!at) return undefined
    const column = this.#drawn?.columns[at.column]
    return column?.jobs[at.index - column.after]
  }

  readonly #key = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && this.#selection.size > 0) {
      this.#selection.clear()
      return
    }
    const at = this.#focusedCard()
    if (!at || event.ctrlKey || event.metaKey || event.altKey) return
    const job = this.#job(at.id)
    const rows = this.#drawn?.columns[at.column]?.count ?? 0
    const keys: { readonly [key: string]: () => unknown } = {
      ArrowDown: () => this.#goTo(at.column, Math.min(at.index + 1, rows - 1)),
      ArrowUp: () => this.#goTo(at.column, Math.max(at.index - 1, 0)),
      ArrowRight: () => this.#sideways(at, this.matches(':dir(rtl)') ? -1 : 1),
      ArrowLeft: () => this.#sideways(at, this.matches(':dir(rtl)') ? 1 : -1),
      Home: () => this.#goTo(at.column, 0),
      End: () => this.#goTo(at.column, rows - 1),
      ' ': () => job && this.#selection.toggle(job),
      c: () => void this.#act([at.id], 'cancel'),
      r: () => void this.#act([at.id], 'retry'),
      '/': () => this.renderRoot.querySelector('input')?.focus(),
    }
    const act = keys[event.key]
    if (!act) return
    event.preventDefault()
    act()
  }

  /** To the card beside, in the next column that has any. */
  #sideways(from: FocusedCard, step: number): void {
    const box = this.#open(from.id)?.getBoundingClientRect()
    for (let at = from.column + step; at >= 0 && at < this.#views.length; at += step) {
      const list = this.#lists()[at]
      const view = this.#views[at]
      if (!box || !list || !view || view.rows.count === 0) continue
      if (!list.checkVisibility()) this.#show(at)
      const beside = [...list.querySelectorAll<HTMLElement>('[data-id]')].findLast(
        (each, index) => index === 0 || each.getBoundingClientRect().top <= box.top,
      )
      const found = beside?.dataset.id === undefined ? undefined : this.#find(beside.dataset.id)
      this.#goTo(at, found?.index ?? view.inView.start)
      return
    }
  }

  /** What the reader stands on says when it changes. */
  #tellFocused(board: Board): void {
    const id = this.#focus?.id
    const job = id && board.columns.flatMap((column) => column.jobs).find((each) => each.id === id)
    const status = job ? `${job.id} ${job.status}` : undefined
    if (job && this.#lastStatus?.startsWith(`${job.id} `) && this.#lastStatus !== status) {
      announce(`${jobs.titleOf(job, this.#live.now())}: ${jobs.STATUS_WORDS[job.status]}.`)
    }
    this.#lastStatus = status
  }

  // Actions --------------------------------------------------------------------------------------------------------

  #notice(): TemplateResult | typeof nothing {
    // Cards that move no more are not to pass for live ones.
    const ended = this.#live.data && this.#live.problem?.detail
    const said = this.said ?? ended
    if (!said) return nothing
    return html`<div class="said">
      ${icon('info', 's')}<span>${said}</span>
      ${
        said === ended
          ? nothing
          : html`<button
              type="button"
              aria-label="Dismiss"
              @click=${() => {
                this.said = undefined
              }}
            >
              ${icon('close', 's')}
            </button>`
      }
    </div>`
  }

  #say(sentence: string): void {
    this.said = sentence
    announce(sentence)
    window.clearTimeout(this.#noticeTimer)
    this.#noticeTimer = window.setTimeout(() => {
      this.said = undefined
    }, NOTICE_STAYS)
  }

  async #act(ids: readonly string[], action: 'cancel' | 'retry'): Promise<void> {
    const { connection } = this.#live
    const asked = ids.filter((id) => !this.#awaited.has(`${action} ${id}`))
    if (!connection || asked.length === 0) return
    const refusals: string[] = []
    const answers = asked.map(async (id) => {
      this.#awaited.add(`${action} ${id}`)
      try {
        await connection.command(`job.${action}`, { id })
        this.emit('task-action', { id, action })
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error
        refusals.push(error.message)
      } finally {
        this.#awaited.delete(`${action} ${id}`)
      }
    })
    await Promise.all(answers)
    this.#say(outcome(action, asked.length - refusals.length, refusals))
  }

  async #submit(task: TaskInfo): Promise<void> {
    const key = `submit ${task.name}`
    if (this.#awaited.has(key)) return
    this.#awaited.add(key)
    try {
      await this.#live.connection?.command('task.submit', { name: task.name })
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      this.#say(`${task.name} was not submitted: ${error.message}`)
    } finally {
      this.#awaited.delete(key)
    }
  }

  #copyIds(ids: readonly string[]): Promise<void> {
    return this.#copy(ids.join('\n'), `Copied ${format.plural(ids.length, 'id')}.`)
  }

  async #copy(text: string, done: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text)
      this.#say(done)
    } catch {
      this.#say('The browser did not allow copying.')
    }
  }
}

define('capsule-task-board', CapsuleTaskBoard)

declare global {
  interface HTMLElementTagNameMap {
    'capsule-task-board': CapsuleTaskBoard
  }
}

/** The column to show first where there is room for one: what runs, else the first that is not empty. */
function whereToBegin({ columns }: Board): number {
  const running = columns.findIndex(({ count, statuses }) => count > 0 && statuses.includes('running'))
  const filled = running >= 0 ? running : columns.findIndex(({ count }) => count > 0)
  return Math.max(0, filled)
}

/** Nothing was ever submitted: every state has its column, and none of them a card. */
function isUnused({ total, columns }: Board): boolean {
  const shown = new Set<string>(columns.flatMap(({ statuses }) => statuses))
  return total === 0 && Object.keys(jobs.STATUS_WORDS).every((status) => shown.has(status))
}
