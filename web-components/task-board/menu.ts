/** Menus of the board: native popovers, placed beside their button, worked with the arrow keys. */
import { html, nothing, type TemplateResult } from 'lit'
import { icon } from '../shared/index.ts'

export interface MenuItem {
  label: string
  /** Given for one of several, of which one holds. */
  checked?: boolean
  run: () => void
}

/** A popover menu named `id`; its button says `popovertarget=${id}`. */
export function menu(id: string, label: string, items: readonly MenuItem[], empty = 'Nothing here'): TemplateResult {
  return html`<div class="menu" id=${id} popover role="menu" aria-label=${label} @toggle=${placed} @keydown=${moveFocus}>
    ${items.length === 0 ? html`<p class="muted" role="menuitem" aria-disabled="true">${empty}</p>` : nothing}
    ${items.map(
      (item) => html`<button
        type="button"
        role=${item.checked === undefined ? 'menuitem' : 'menuitemradio'}
        aria-checked=${item.checked ?? nothing}
        @click=${(event: Event) => {
          if (event.currentTarget instanceof HTMLElement)
            event.currentTarget.closest<HTMLElement>('.menu')?.hidePopover()
          item.run()
        }}
      >
        <span class="mark">${item.checked ? icon('check', 's') : nothing}</span><span class="truncate">${item.label}</span>
      </button>`,
    )}
  </div>`
}

function placed(event: ToggleEvent): void {
  const box = event.currentTarget
  if (!(box instanceof HTMLElement)) return
  const root = box.getRootNode() as ShadowRoot
  const button = root.querySelector<HTMLElement>(`[popovertarget="${CSS.escape(box.id)}"]`)
  button?.setAttribute('aria-expanded', String(event.newState === 'open'))
  // The browser leaves the focus on an item that is not shown any more.
  if (event.newState === 'closed' && box.contains(root.activeElement)) button?.focus()
  if (event.newState !== 'open' || !button) return
  const at = button.getBoundingClientRect()
  const { width, height } = box.getBoundingClientRect()
  const left = Math.max(8, Math.min(at.left, innerWidth - width - 8))
  const below = at.bottom + 4
  const top = below + height > innerHeight - 8 ? Math.max(8, at.top - height - 4) : below
  Object.assign(box.style, { left: `${left}px`, top: `${top}px` })
  box.querySelector<HTMLElement>('[aria-checked="true"], button')?.focus()
}

const STEPS: { readonly [key: string]: number } = { ArrowDown: 1, ArrowUp: -1 }

function moveFocus(event: KeyboardEvent): void {
  const box = event.currentTarget
  const step = STEPS[event.key]
  if (!(box instanceof HTMLElement) || step === undefined) return
  event.preventDefault()
  const items = [...box.querySelectorAll<HTMLElement>('button')]
  const root = box.getRootNode() as ShadowRoot
  const { activeElement } = root
  const at = activeElement instanceof HTMLElement ? items.indexOf(activeElement) : -1
  items[(at + step + items.length) % items.length]?.focus()
}
