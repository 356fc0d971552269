/**
 * <capsule-app>: the whole of an app in one element: its conversations, its pages and its schedules under one navigation,
 * each at a URL of its own. What is shown is decided by the URL alone, so Back, reload and a shared link do what one expects.
 */
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit'
import { keyed } from 'lit/directives/keyed.js'
import { repeat } from 'lit/directives/repeat.js'
import type { AppInfo, Session } from '../../src/http/wire.ts'
import { ChatMemory, pageStorage } from '../chat/index.ts'
import { baseOf, LiveResource, LiveTopic } from '../client/index.ts'
import {
  blank,
  CapsuleElement,
  define,
  EverySecond,
  format,
  type IconName,
  icon,
  logo,
  pageIcon,
} from '../shared/index.ts'
import { styles } from './app.styles.ts'
import { groupSessions, timeOf, titleOf, workOf } from './conversations.ts'
import { pathOf, type Route, routeOf } from './routes.ts'
import { applyTheme, nextTheme, storedTheme, type Theme } from './theme.ts'

/** Below this width of the shell the conversations move into a drawer and the navigation to the bottom. */
const NARROW = 760
/** A shorter outage is over before one has read about it. */
const QUIET = 2_000

const THEMES: { readonly [theme in Theme]: { icon: IconName; label: string } } = {
  system: { icon: 'system', label: 'System' },
  light: { icon: 'sun', label: 'Light' },
  dark: { icon: 'moon', label: 'Dark' },
}

/**
 * The shell of an app: navigation, conversations, pages and schedules, with a URL for each.
 *
 * @element capsule-app
 * @attr src - base URL of the server; the page's own origin by default
 * @attr base-path - the path the shell's URLs begin with; "" by default
 * @attr suggestions - passed on to the chat: what one could type first
 * @csspart nav - the navigation
 * @csspart sidebar - the conversations
 * @csspart main - what the URL names
 */
export class CapsuleApp extends CapsuleElement {
  static override styles = [...CapsuleElement.styles, blank, styles]
  static override properties = {
    src: {},
    basePath: { attribute: 'base-path' },
    suggestions: {},
    route: { state: true },
    theme: { state: true },
    narrow: { state: true },
    query: { state: true },
    chatTitle: { state: true },
  }

  declare src: string
  declare basePath: string
  declare suggestions: string | null
  declare protected route: Route
  declare protected theme: Theme
  declare protected narrow: boolean
  /** What the conversations are searched for. */
  declare protected query: string
  /** Of the conversation shown, as the chat shows it. */
  declare protected chatTitle: string | null

  readonly #info = new LiveResource<AppInfo>(this, { src: () => this.src, path: () => '/api/v1/info' })
  readonly #sessions = new LiveTopic(this, {
    src: () => this.src,
    topic: 'sessions',
    params: () => (this.#info.data?.has_chat ? {} : undefined),
  })
  readonly #resized = new ResizeObserver(([entry]) => {
    if (entry) this.narrow = entry.contentRect.width < NARROW
  })

  constructor() {
    super()
    this.src = ''
    this.basePath = ''
    this.suggestions = null
    this.route = { kind: 'start' }
    this.theme = storedTheme()
    this.narrow = window.innerWidth < NARROW
    this.query = ''
    this.chatTitle = null
    new EverySecond(this, () => this.#info.state.status === 'offline')
  }

  override connectedCallback(): void {
    super.connectedCallback()
    applyTheme(this.theme)
    this.#readUrl()
    window.addEventListener('popstate', this.#readUrl)
    this.#resized.observe(this)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    window.removeEventListener('popstate', this.#readUrl)
    this.#resized.disconnect()
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (changed.has('route')) this.#load()
  }

  protected override updated(): void {
    document.title = this.#documentTitle()
    if (!this.narrow) this.#drawer?.close()
  }

  protected override render() {
    const info = this.#info.data
    const route = this.#shown()
    const chat = route.kind === 'chat'
    return html`
      <button class="skip button" type="button" @click=${this.#skip}>Skip to the content</button>
      <div class=${`shell ${this.narrow ? 'narrow' : ''} ${chat ? 'with-sidebar' : ''}`}>
        ${this.#nav(info, route)}
        ${
          chat && !this.narrow
            ? html`<aside class="sidebar" part="sidebar" aria-label="Conversations">${this.#conversations(route)}</aside>`
            : nothing
        }
        ${keyed(
          // Another one once it is known what there is: what said "Connecting" would move aside for the conversations.
          info === undefined,
          html`<main part="main" tabindex="-1">
            <h1 class="sr">${info?.name ?? 'Capsule'}</h1>
            ${this.#main(info, route)}${this.#banner()}
          </main>`,
        )}
      </div>
      ${
        this.narrow
          ? html`<dialog class="drawer" aria-label="Conversations" @click=${this.#closeOnScrim}>
              <div class="sidebar">${this.#conversations(route)}${this.#themeButton('button ghost')}</div>
            </dialog>`
          : nothing
      }
    `
  }

  // Navigation -------------------------------------------------------------------------------------------------------

  #nav(info: AppInfo | undefined, route: Route): TemplateResult {
    const entry = (to: Route, name: string, shape: IconName, current: boolean) => html`<a
      href=${this.#href(to)}
      aria-current=${current ? 'page' : nothing}
      @click=${(event: MouseEvent) => this.#follow(event, to)}
      >${icon(shape, 'l')}<span class="truncate">${name}</span></a
    >`
    return html`<nav part="nav" aria-label="Pages">
      <span class="mark">${logo}</span>
      ${info?.has_chat ? entry(this.#lastChat(), 'Chat', 'chat', route.kind === 'chat') : nothing}
      ${info?.pages.map(({ name, icon: shape, slug }) =>
        entry({ kind: 'page', slug }, name, pageIcon(shape), route.kind === 'page' && route.slug === slug),
      )}
      ${info?.has_schedules ? entry({ kind: 'schedules' }, 'Schedules', 'calendar', route.kind === 'schedules') : nothing}
      ${this.narrow && info?.has_chat ? nothing : this.#themeButton('theme')}
    </nav>`
  }

  #themeButton(name: string): TemplateResult {
    const { icon: shape, label } = THEMES[this.theme]
    return html`<button
      class=${name}
      type="button"
      aria-label=${`Theme: ${label}. Change to ${THEMES[nextTheme(this.theme)].label}`}
      @click=${this.#changeTheme}
    >
      ${icon(shape, 'l')}<span>${label}</span>
    </button>`
  }

  #conversations(route: Route): TemplateResult {
    const now = Date.now()
    const all = this.#sessions.data
    const groups = groupSessions(all ?? [], this.query, now)
    const current = route.kind === 'chat' ? route.session : null
    return html`
      <div class="sidebar-head">
        <h2 class="grow">Conversations</h2>
        <a
          class="button square ghost"
          href=${this.#href({ kind: 'chat', session: null })}
          aria-label="New conversation"
          title="New conversation"
          @click=${(event: MouseEvent) => this.#follow(event, { kind: 'chat', session: null })}
          >${icon('plus')}</a
        >
        ${
          this.narrow
            ? html`<button class="button square ghost" type="button" aria-label="Close" @click=${() => this.#drawer?.close()}>
                ${icon('close')}
              </button>`
            : nothing
        }
      </div>
      <label class="field find">
        ${icon('search')}
        <input
          type="search"
          placeholder="Search"
          aria-label="Search conversations"
          .value=${this.query}
          @input=${this.#searched}
        />
      </label>
      <div class="conversations">
        ${
          groups.length > 0
            ? groups.map(
                ({ label, sessions }) => html`<h3 class="xs muted">${label}</h3>
                  <ul>
                    ${repeat(
                      sessions,
                      ({ id }) => id,
                      (session) => this.#conversation(session, session.id === current, timeOf(session, label, now)),
                    )}
                  </ul>`,
              )
            : html`<p class=${`xs muted none ${all ? '' : 'late'}`}>${this.#noConversations(all)}</p>`
        }
      </div>
    `
  }

  #noConversations(all: readonly Session[] | undefined): string {
    if (all === undefined) return this.#sessions.problem?.detail ?? 'Loading the conversations'
    return all.length > 0 ? `No conversation has “${this.query}” in it.` : 'What you talk about is kept here.'
  }

  #conversation(session: Session, current: boolean, time: string): TemplateResult {
    const title = titleOf(session)
    const { status, words } = workOf(session)
    const to: Route = { kind: 'chat', session: session.id }
    return html`<li data-status=${status ?? nothing}>
      <a href=${this.#href(to)} aria-current=${current ? 'page' : nothing} @click=${(event: MouseEvent) => this.#follow(event, to)}>
        <span class="title truncate" title=${title}>${title}</span>
        <time class="xs muted" datetime=${session.updated_at}>${time}</time>
        <span class="work xs muted num"
          >${status ? html`<span class="status-icon">${icon(status, 's')}</span>` : nothing}${words}</span
        >
      </a>
    </li>`
  }

  // What the URL names -----------------------------------------------------------------------------------------------

  #main(info: AppInfo | undefined, route: Route): TemplateResult {
    if (!info) return this.#noApp()
    switch (route.kind) {
      case 'chat':
        return html`<capsule-chat
          src=${this.src}
          session=${route.session ?? 'new'}
          suggestions=${this.suggestions ?? nothing}
          @capsule-session=${this.#sessionChanged}
        >
          ${
            this.narrow
              ? html`<button
                  slot="start"
                  class="button square ghost"
                  type="button"
                  aria-label="Conversations"
                  aria-haspopup="dialog"
                  @click=${() => this.#drawer?.showModal()}
                >
                  ${icon('menu')}
                </button>`
              : nothing
          }
        </capsule-chat>`
      case 'page':
        return html`<capsule-page src=${this.src} slug=${route.slug}></capsule-page>`
      case 'schedules':
        return html`<capsule-schedules src=${this.src}></capsule-schedules>`
      default:
        return html`<div class="blank">
          <h2>${info.has_chat || info.pages.length > 0 ? 'No such page' : info.name}</h2>
          <p>
            ${
              info.has_chat || info.pages.length > 0 || info.has_schedules
                ? 'Nothing of this app is at this address. The navigation shows what there is.'
                : 'This app has no chat, page or schedule yet. Its API is described at /docs.'
            }
          </p>
        </div>`
    }
  }

  #noApp(): TemplateResult {
    const { problem, state } = this.#info
    const said = problem ?? state.problem
    if (said) {
      return html`<div class="blank" role="alert">
        <h2>${said.title}</h2>
        <p>${said.detail}</p>
        ${said.status === 401 ? html`<a class="button" href=${this.#signInPage}>Sign in</a>` : nothing}
      </div>`
    }
    if (state.status === 'offline') {
      return html`<div class="blank">
        <h2>The server cannot be reached</h2>
        <p>This page goes on by itself as soon as it answers.</p>
        <button class="button" type="button" @click=${this.#tryNow}>Try now</button>
      </div>`
    }
    return html`<div class="blank"><p class="late">Connecting</p></div>`
  }

  /** Floats, so that nothing moves when the line drops; what is shown stays, with its age. */
  #banner(): TemplateResult | typeof nothing {
    const { status, since, problem } = this.#info.state
    if (this.#info.data && status === 'stopped' && problem?.status === 401) {
      return html`<div class="banner" role="status">
        <span>You are signed out. What you see is as it was then.</span>
        <a href=${this.#signInPage}>Sign in</a>
      </div>`
    }
    const age = Date.now() - since
    if (!this.#info.data || status !== 'offline' || age < QUIET) return nothing
    // Only the word is a status: the age changes every second, and would be read out as often.
    return html`<div class="banner">
      <span class="num"><span role="status">Offline.</span> What you see is ${format.rough(age)} old.</span>
      <button type="button" @click=${this.#tryNow}>Try now</button>
    </div>`
  }

  /** The server's page for signing in, which leads back to here. */
  get #signInPage(): string {
    return `${baseOf(this.src)}/sign-in?next=${encodeURIComponent(window.location.pathname)}`
  }

  // Routes -----------------------------------------------------------------------------------------------------------

  /** The route with the start resolved to what the app has first. */
  #shown(): Route {
    const info = this.#info.data
    if (this.route.kind !== 'start' || !info) return this.route
    const [page] = info.pages
    if (info.has_chat) return this.#lastChat()
    if (page) return { kind: 'page', slug: page.slug }
    return info.has_schedules ? { kind: 'schedules' } : this.route
  }

  /** The conversation last open in this browser, else a new one. */
  #lastChat(): Route {
    if (this.route.kind === 'chat') return this.route
    return { kind: 'chat', session: this.#memory.conversation }
  }

  get #memory(): ChatMemory {
    return new ChatMemory(pageStorage(), baseOf(this.src))
  }

  get #drawer(): HTMLDialogElement | null {
    return this.renderRoot?.querySelector('dialog') ?? null
  }

  #href(route: Route): string {
    return this.basePath + pathOf(route)
  }

  readonly #readUrl = (): void => {
    const { pathname } = window.location
    this.route = routeOf(pathname.startsWith(this.basePath) ? pathname.slice(this.basePath.length) : pathname)
  }

  /** As the browser would follow a link, without loading the page again. Other buttons and keys are left to it. */
  #follow(event: MouseEvent, to: Route): void {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    if (this.#href(to) !== window.location.pathname) history.pushState(null, '', this.#href(to))
    this.#drawer?.close()
    this.route = to
    if (to.kind !== 'chat') return
    this.chatTitle = null
    this.#memory.conversation = to.session
    if (!this.narrow) void this.updateComplete.then(() => this.renderRoot.querySelector('capsule-chat')?.focus())
  }

  /** The chat has begun the conversation that was new: from now on it has an address. */
  readonly #sessionChanged = (event: CustomEvent<{ id: string; title: string | null; started: boolean }>): void => {
    const { id, title, started } = event.detail
    this.chatTitle = title
    if (!started) return
    this.#memory.conversation = id
    const shown = this.#shown()
    if (shown.kind !== 'chat' || (shown.session === id && this.route.kind === 'chat')) return
    this.route = { kind: 'chat', session: id }
    history.replaceState(null, '', this.#href(this.route))
  }

  /** The code of what is shown, when it is first shown. */
  #load(): void {
    if (this.route.kind === 'page' || this.route.kind === 'start') void import('../page/index.ts')
    if (this.route.kind === 'schedules' || this.route.kind === 'start') void import('../schedules/index.ts')
  }

  #documentTitle(): string {
    const name = this.#info.data?.name ?? 'Capsule'
    const route = this.#shown()
    switch (route.kind) {
      case 'chat':
        return `${route.session !== null && this.chatTitle ? this.chatTitle : 'New conversation'}, ${name}`
      case 'page':
        return `${this.#info.data?.pages.find(({ slug }) => slug === route.slug)?.name ?? 'No such page'}, ${name}`
      case 'schedules':
        return `Schedules, ${name}`
      default:
        return name
    }
  }

  readonly #searched = (event: Event): void => {
    if (event.target instanceof HTMLInputElement) this.query = event.target.value
  }

  readonly #changeTheme = (): void => {
    this.theme = nextTheme(this.theme)
    applyTheme(this.theme)
  }

  readonly #tryNow = (): void => {
    this.#info.connection?.retryNow()
  }

  readonly #skip = (): void => {
    const chat = this.renderRoot.querySelector('capsule-chat')
    if (chat) chat.focus()
    else this.renderRoot.querySelector('main')?.focus()
  }

  /** A click beside the drawer is one on the dialog itself. */
  readonly #closeOnScrim = (event: Event): void => {
    if (event.target === event.currentTarget) this.#drawer?.close()
  }
}

define('capsule-app', CapsuleApp)

declare global {
  interface HTMLElementTagNameMap {
    'capsule-app': CapsuleApp
  }
}
