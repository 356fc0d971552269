/**
 * Keeps what is being read where it is. While the reader is at the end, the log stays at the end; once they have scrolled
 * up, the row at the top edge holds its place whatever grows, arrives or is put in before it. The browser's own scroll
 * anchoring is switched off (`overflow-anchor: none`), as Safari has none and two anchors pull twice.
 */

/** A reader who scrolls down to within this many pixels of the end meant the end. */
const END_TOLERANCE = 32

export class ScrollKeeper {
  #scroller: HTMLElement | null = null
  #content: HTMLElement | null = null
  #atEnd = true
  #lastTop = 0
  #anchor: { row: Element; top: number } | null = null
  readonly #resized: ResizeObserver
  readonly #changed: (atEnd: boolean) => void
  readonly #nearStart: () => void

  /**
   * @param changed the reader left the end, or came back to it
   * @param nearStart the reader is about to see the first row
   */
  constructor(changed: (atEnd: boolean) => void, nearStart: () => void) {
    this.#changed = changed
    this.#nearStart = nearStart
    this.#resized = new ResizeObserver(() => this.settle())
  }

  get atEnd(): boolean {
    return this.#atEnd
  }

  /** Starts keeping `content` (whose children are the rows) in its place within `scroller`. */
  attach(scroller: HTMLElement, content: HTMLElement): void {
    if (this.#scroller === scroller) return
    this.detach()
    this.#scroller = scroller
    this.#content = content
    scroller.addEventListener('scroll', this.#scrolled, { passive: true })
    this.#resized.observe(scroller)
    this.#resized.observe(content)
    this.settle()
  }

  detach(): void {
    this.#scroller?.removeEventListener('scroll', this.#scrolled)
    this.#resized.disconnect()
    this.#scroller = null
    this.#content = null
  }

  /** Puts everything back in its place after rows have changed. Call it in the same frame as the change. */
  settle(): void {
    const scroller = this.#scroller
    if (!scroller) return
    if (this.#atEnd) {
      scroller.scrollTop = scroller.scrollHeight
    } else if (this.#anchor?.row.isConnected) {
      const moved =
        this.#anchor.row.getBoundingClientRect().top - scroller.getBoundingClientRect().top - this.#anchor.top
      if (Math.abs(moved) >= 1) scroller.scrollTop += moved
    }
    this.#remember()
  }

  /** To the newest row, and stay there. */
  toEnd(): void {
    this.#setAtEnd(true)
    this.settle()
  }

  readonly #scrolled = (): void => {
    const scroller = this.#scroller
    if (!scroller) return
    const toGo = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop
    // The direction decides: one notch of the wheel upwards is enough to stop following, however near the end it is.
    const wentUp = scroller.scrollTop < this.#lastTop
    if (toGo <= 1 || (!wentUp && toGo <= END_TOLERANCE)) this.#setAtEnd(true)
    else if (wentUp) this.#setAtEnd(false)
    this.#remember()
    if (scroller.scrollTop < scroller.clientHeight) this.#nearStart()
  }

  #setAtEnd(atEnd: boolean): void {
    if (atEnd === this.#atEnd) return
    this.#atEnd = atEnd
    this.#changed(atEnd)
  }

  /** The first row that reaches into view, found by bisection: rows are in order and do not overlap. */
  #remember(): void {
    this.#lastTop = this.#scroller?.scrollTop ?? 0
    if (this.#atEnd || !this.#scroller || !this.#content) {
      this.#anchor = null
      return
    }
    const edge = this.#scroller.getBoundingClientRect().top
    const rows = this.#content.children
    let low = 0
    let high = rows.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      const row = rows[middle]
      if (row && row.getBoundingClientRect().bottom > edge) high = middle
      else low = middle + 1
    }
    const row = rows[low]
    this.#anchor = row ? { row, top: row.getBoundingClientRect().top - edge } : null
  }
}
