/**
 * <capsule-schedules>: what runs by itself, when next, and how the last thirty went. A row opens to its occurrences, each
 * with the reason it was skipped or a way to its task.
 */
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit'
import { repeat } from 'lit/directives/repeat.js'
import type { Occurrence, Schedule } from '../../src/http/wire.ts'
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
  statusIcon,
} from '../shared/index.ts'
import { openDetail } from '../task-card/index.ts'
import { styles } from './schedules.styles.ts'
import { MISSED_WORDS, nextWords, OVERLAP_WORDS, outcome, summary, whyOf, wordOf } from './words.ts'

/** Occurrences the strip has room for. */
const STRIP = 30
/** Occurrences an open row shows before one asks for the rest. */
const SHORT = 6

type Action = 'trigger' | 'pause' | 'resume'
const DONE: { readonly [action in Action]: string } = { trigger: 'triggered', pause: 'paused', resume: 'resumed' }

/**
 * The schedules of an app, live.
 *
 * @element capsule-schedules
 * @attr src - base URL of the server; the page's own origin by default
 * @attr heading - "Schedules" by default
 * @attr theme - `light`, `dark` or `auto`; the page's `color-scheme` by default
 * @fires capsule-schedule-action - an action was accepted. detail: `{name, action}`
 * @csspart header - heading, search and connection state
 * @csspart row - each schedule
 */
export class CapsuleSchedules extends CapsuleElement {
  static override styles = [...CapsuleElement.styles, blank, styles]
  static override properties = {
    src: {},
    heading: {},
    query: { state: true },
    open: { state: true },
    whole: { state: true },
    asked: { state: true },
    refused: { state: true },
  }

  declare src: string
  declare heading: string
  declare protected query: string
  /** Names of the schedules whose occurrences are shown. */
  declare protected open: ReadonlySet<string>
  /** Names of those of which all occurrences are shown. */
  declare protected whole: ReadonlySet<string>
  /** `<action> <name>` of what awaits its answer. */
  declare protected asked: ReadonlySet<string>
  /** Why the last action on a schedule was refused, by name. */
  declare protected refused: ReadonlyMap<string, string>

  readonly #live = new LiveTopic(this, { src: () => this.src, topic: 'schedules', params: () => ({}) })

  constructor() {
    super()
    this.src = ''
    this.heading = ''
    this.query = ''
    this.open = new Set()
    this.whole = new Set()
    this.asked = new Set()
    this.refused = new Map()
    new EverySecond(this, () => this.#shown().length > 0)
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has('src')) return
    this.open = new Set()
    this.refused = new Map()
  }

  /** Pause becomes Resume, and back: the focus stays on what its schedule offers now. */
  protected override update(changed: PropertyValues): void {
    const focused = this.shadowRoot?.activeElement
    const row = focused?.closest('li[part=row]')
    super.update(changed)
    if (focused && !focused.isConnected) row?.querySelector<HTMLElement>('.actions button')?.focus()
  }

  protected override render() {
    const all = this.#all()
    const shown = this.#shown()
    return html`
      <header part="header">
        <h2 class="truncate">${this.heading || 'Schedules'}</h2>
        ${this.#live.data ? html`<span class="muted num">${format.count(all.length)}</span>` : nothing}
        <span class="grow"></span>
        ${
          all.length > 5 || this.query !== ''
            ? html`<label class="field">
                ${icon('search')}
                <input
                  type="search"
                  placeholder="Search"
                  aria-label="Search schedules"
                  .value=${this.query}
                  @input=${this.#searched}
                />
              </label>`
            : nothing
        }
        ${connectionState(this.#live.state)}
      </header>
      ${shown.length > 0 ? this.#list(shown) : this.#nothingHere(all.length)}
    `
  }

  #all(): Schedule[] {
    return (this.#live.data ?? []).filter((schedule) => !schedule.removed)
  }

  #shown(): Schedule[] {
    const query = this.query.trim().toLowerCase()
    if (query === '') return this.#all()
    return this.#all().filter(({ name, description, cron, meaning }) =>
      [name, description, cron, meaning].some((text) => text?.toLowerCase().includes(query)),
    )
  }

  #list(schedules: Schedule[]): TemplateResult {
    const now = this.#live.now()
    return html`<div class="list">
      <div class="columns xs muted" aria-hidden="true">
        <span></span><span>Schedule</span><span>When</span><span>Next run</span><span>Last ${STRIP}, newest last</span>
      </div>
      <ul>
        ${repeat(
          schedules,
          (schedule) => schedule.name,
          (schedule) => this.#schedule(schedule, now),
        )}
      </ul>
    </div>`
  }

  #schedule(schedule: Schedule, now: number): TemplateResult {
    const { name, description, cron, meaning, timezone } = schedule
    const last = schedule.last.toSorted((a, b) => a.due.localeCompare(b.due)).slice(-STRIP)
    const open = this.open.has(name)
    const refused = this.refused.get(name)
    return html`<li class=${open ? 'open' : ''} part="row">
      <div class="columns one">
        <button
          class="button small square ghost"
          type="button"
          aria-expanded=${open}
          aria-label=${`Occurrences of ${name}`}
          @click=${() => this.#toggle(name)}
        >
          ${icon(open ? 'down' : 'right')}
        </button>
        <div class="name">
          <h3 class="medium">${name}</h3>
          ${description ? html`<div class="muted xs truncate" title=${description}>${description}</div>` : nothing}
        </div>
        <div class="when">
          <div class="mono">${cron}</div>
          <div class="muted xs">${meaning}, ${timezone}</div>
        </div>
        <div class="next num">${this.#next(schedule, now)}</div>
        <div class="past">
          <div class="strip" role="img" aria-label=${outcome(last)}>${this.#strip(last, now)}</div>
          <div class="muted xs truncate num" title=${summary(last)}>${summary(last)}</div>
        </div>
        <div class="actions">${this.#actions(schedule)}</div>
        ${refused === undefined ? nothing : html`<p class="refused" role="alert">${icon('info', 's')}${refused}</p>`}
      </div>
      ${open ? this.#details(schedule, last.toReversed(), now) : nothing}
    </li>`
  }

  #next(schedule: Schedule, now: number): TemplateResult {
    if (schedule.paused) return html`<div class="muted">Paused</div>`
    if (schedule.next_at === null) return html`<div class="muted">No next run</div>`
    const { lead, detail } = nextWords(schedule.next_at, now)
    return html`<div>${lead}</div>
      <time class="muted xs" datetime=${schedule.next_at}>${detail}</time>`
  }

  #strip(last: readonly Occurrence[], now: number): TemplateResult[] {
    const missing = Array.from({ length: STRIP - last.length }, () => html`<i class="none"></i>`)
    return [
      ...missing,
      ...last.map(
        (occurrence) =>
          html`<i
            data-status=${occurrence.status ?? nothing}
            class=${occurrence.decision === 'skipped' ? 'skipped' : (occurrence.status ?? 'due')}
            title=${`${format.instant(occurrence.due, now)}: ${wordOf(occurrence)}`}
          ></i>`,
      ),
    ]
  }

  #actions({ name, paused }: Schedule): TemplateResult {
    const button = (
      action: Action,
      label: string,
      asking: string,
      shape: TemplateResult | typeof nothing,
      square = false,
    ) => {
      const busy = this.asked.has(`${action} ${name}`)
      return html`<button
        class="button small ${square ? 'square ghost' : ''}"
        type="button"
        aria-label=${`${label} ${name}`}
        title=${square ? label : nothing}
        aria-disabled=${busy ? 'true' : nothing}
        @click=${() => this.#act(name, action)}
      >
        ${shape}${square ? nothing : busy ? asking : label}
      </button>`
    }
    return paused
      ? button('resume', 'Resume', 'Resuming', icon('play', 's'))
      : html`${button('trigger', 'Trigger', 'Triggering', nothing)}${button('pause', 'Pause', 'Pausing', icon('pause', 's'), true)}`
  }

  #details(schedule: Schedule, newestFirst: readonly Occurrence[], now: number): TemplateResult {
    const all = this.whole.has(schedule.name)
    const shown = all ? newestFirst : newestFirst.slice(0, SHORT)
    return html`<div class="details">
      <div>
        <h4 class="medium">Past occurrences</h4>
        ${
          newestFirst.length === 0
            ? html`<p class="muted">None yet. The first appears when it is due, or when you trigger it.</p>`
            : html`<ol>
                ${shown.map((occurrence) => this.#occurrence(occurrence, now))}
              </ol>
              ${
                shown.length < newestFirst.length
                  ? html`<button class="button small ghost" type="button" @click=${() => this.#showAll(schedule.name)}>
                      Show all ${newestFirst.length}
                    </button>`
                  : nothing
              }`
        }
      </div>
      <dl class="num">
        <dt>Overlap</dt>
        <dd>${OVERLAP_WORDS[schedule.overlap]}</dd>
        <dt>Missed</dt>
        <dd>${MISSED_WORDS[schedule.missed]}</dd>
        <dt>Time zone</dt>
        <dd>${schedule.timezone}</dd>
        <dt>Position</dt>
        <dd>${format.position(schedule.position)}</dd>
      </dl>
    </div>`
  }

  #occurrence(occurrence: Occurrence, now: number): TemplateResult {
    const { due, status, job_id } = occurrence
    return html`<li data-status=${status ?? nothing} class="num">
      ${status ? statusIcon(status) : html`<span class="muted">${icon(occurrence.decision === 'skipped' ? 'skip' : 'pending')}</span>`}
      <time datetime=${due}>${format.instant(due, now)}</time>
      <span class=${status ? 'status-word' : 'medium'}>${wordOf(occurrence)}</span>
      <span class="muted why">${whyOf(occurrence)}</span>
      ${
        job_id === null
          ? nothing
          : html`<button
              class="button small ghost"
              type="button"
              aria-label=${`Open the run of ${format.instant(due, now)}`}
              @click=${() => openDetail(this, this.src, job_id)}
            >
              Open
            </button>`
      }
    </li>`
  }

  #nothingHere(all: number): TemplateResult {
    const { status, problem } = this.#live.state
    const refused = this.#live.problem ?? (status === 'stopped' ? problem : undefined)
    if (refused) return html`<div class="blank"><h3>${refused.title}</h3><p>${refused.detail}</p></div>`
    if (this.#live.data === undefined) {
      const words =
        status === 'offline' ? 'The schedules appear when the server can be reached again.' : 'Loading the schedules'
      return html`<div class="blank"><p class="late">${words}</p></div>`
    }
    if (all > 0)
      return html`<div class="blank"><h3>No match</h3><p>No schedule has “${this.query}” in its name or cron.</p></div>`
    return html`<div class="blank">
      <h3>No schedules yet</h3>
      <p>A schedule runs a handler by itself. Declare one in the app, and it appears here with its next run.</p>
      <pre class="mono">app.schedule('nightly', '0 2 * * *', async () => { … })</pre>
    </div>`
  }

  readonly #searched = (event: Event): void => {
    if (event.target instanceof HTMLInputElement) this.query = event.target.value
  }

  #toggle(name: string): void {
    const open = new Set(this.open)
    if (!open.delete(name)) open.add(name)
    this.open = open
  }

  #showAll(name: string): void {
    this.whole = new Set([...this.whole, name])
  }

  async #act(name: string, action: Action): Promise<void> {
    const { connection } = this.#live
    const key = `${action} ${name}`
    if (!connection || this.asked.has(key)) return
    this.asked = new Set([...this.asked, key])
    this.refused = new Map([...this.refused].filter(([other]) => other !== name))
    try {
      await connection.command(`schedule.${action}`, { name })
      announce(`${name} ${DONE[action]}.`)
      this.emit('schedule-action', { name, action })
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      this.refused = new Map([...this.refused, [name, error.message]])
    } finally {
      this.asked = new Set([...this.asked].filter((other) => other !== key))
    }
  }
}

define('capsule-schedules', CapsuleSchedules)

declare global {
  interface HTMLElementTagNameMap {
    'capsule-schedules': CapsuleSchedules
  }
}
