/**
 * The door to the Markdown chunk: loads it once for the page, when the first reply is there to be shown. If it cannot be
 * loaded (offline, blocked), replies stay the plain text they already are, and the next reply tries again.
 */
import type { renderMarkdown } from './markdown.ts'

export type RenderMarkdown = typeof renderMarkdown

let loaded: RenderMarkdown | null = null
let loading: Promise<RenderMarkdown | null> | null = null

/** The renderer if it is here already. */
export function markdownNow(): RenderMarkdown | null {
  return loaded
}

/** The renderer once it is here; null when it could not be loaded. */
export function loadMarkdown(): Promise<RenderMarkdown | null> {
  loading ??= import('./markdown.ts').then(
    (module) => {
      loaded = module.renderMarkdown
      return loaded
    },
    () => {
      loading = null
      return null
    },
  )
  return loading
}
