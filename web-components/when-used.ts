/**
 * Loads the code of an element when the page first has one: the shell and its pages weigh as much as the chat, and most
 * pages that embed a chat never show them. What is inside a shadow root is not seen: whoever draws it there loads it.
 */

const waiting = new Map<string, () => Promise<unknown>>()
let observer: MutationObserver | undefined

/** Calls `load` once, as soon as the document holds an element of this name. */
export function whenUsed(name: `capsule-${string}`, load: () => Promise<unknown>): void {
  if (customElements.get(name)) return
  waiting.set(name, load)
  if (!observer) {
    observer = new MutationObserver(look)
    observer.observe(document, { childList: true, subtree: true })
  }
  look()
}

/** Loads the code of an element that the document does not show to hold: it is in a shadow root. */
export function load(name: `capsule-${string}`): Promise<unknown> {
  return waiting.get(name)?.() ?? customElements.whenDefined(name)
}

function look(): void {
  for (const [name, load] of waiting) {
    if (!document.querySelector(name)) continue
    waiting.delete(name)
    load().catch((error: unknown) => {
      // The next change of the page tries again; until then the page should not fail silently.
      waiting.set(name, load)
      console.error(`The code of <${name}> could not be loaded.`, error)
    })
  }
  if (waiting.size > 0) return
  observer?.disconnect()
  observer = undefined
}
