/**
 * What every element has in common: tokens, a reset that no page's CSS can undo, controls drawn alike, and a
 * registration that does not throw when two copies or versions of the bundle meet on a page.
 */
import { type CSSResultOrNative, LitElement, type PropertyValues } from 'lit'
import { controls, reset } from './base.styles.ts'
import { tokens } from './tokens.ts'

/** Registers an element unless the name is taken: the first copy on a page serves all. */
export function define(name: `capsule-${string}`, element: CustomElementConstructor): void {
  if (!customElements.get(name)) customElements.define(name, element)
}

/** The base of all elements. A subclass gives its own sheets as `static styles = [...CapsuleElement.styles, mine]`. */
export class CapsuleElement extends LitElement {
  static override styles: CSSResultOrNative[] = [tokens, reset, controls]

  constructor() {
    super()
    this.addEventListener('keydown', pressOnce)
  }

  /** A render can take away what has the focus, a button that has done its work: the reader goes on at the refuge. */
  protected override update(changed: PropertyValues): void {
    const focused = this.shadowRoot?.activeElement
    super.update(changed)
    if (focused && !focused.isConnected) this.refuge(focused)?.focus({ preventScroll: true })
  }

  /** Where to go on when `lost` was taken away with the focus. */
  protected refuge(_lost: Element): HTMLElement | null | undefined {
    return undefined
  }

  /** Tells the page, through shadow roots: `capsule-<what>` with `detail`. False when a listener prevented it. */
  protected emit<D>(what: string, detail: D): boolean {
    const event = new CustomEvent<D>(`capsule-${what}`, { detail, bubbles: true, composed: true, cancelable: true })
    return this.dispatchEvent(event)
  }
}

/** A key that is held down presses a button again and again, and by then the one for Cancel may be the one for Retry. */
function pressOnce(event: KeyboardEvent): void {
  if (event.repeat && event.key === 'Enter' && event.composedPath()[0] instanceof HTMLButtonElement)
    event.preventDefault()
}
