/** The reader's choice of scheme, kept in this browser and shown by the whole page. */

export type Theme = 'system' | 'light' | 'dark'

const KEY = 'capsule:theme'
const ORDER: readonly Theme[] = ['system', 'light', 'dark']

export function storedTheme(): Theme {
  try {
    const stored = localStorage.getItem(KEY)
    return ORDER.find((theme) => theme === stored) ?? 'system'
  } catch {
    return 'system'
  }
}

/** Shows the scheme and remembers it. `system` leaves it to the page's `color-scheme`. */
export function applyTheme(theme: Theme): void {
  const page = document.documentElement
  if (theme === 'system') delete page.dataset.theme
  else page.dataset.theme = theme
  try {
    if (theme === 'system') localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, theme)
  } catch {
    // It lasts until the page is left.
  }
}

export function nextTheme(theme: Theme): Theme {
  return ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length] ?? 'system'
}
