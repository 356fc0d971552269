/**
 * The icons, as 24 x 24 strokes drawn inline so that they take the ink of their text and pass a strict CSP.
 * A status is never an icon alone: `statusIcon` carries its word for those who do not see the shape.
 */
import { html, type SVGTemplateResult, svg, type TemplateResult } from 'lit'
import type { JobStatus } from '../../src/http/wire.ts'
import { STATUS_WORDS } from './job.ts'

const shapes = {
  pending: svg`<circle cx="12" cy="12" r="8.5" stroke-dasharray="3.2 3.5"/>`,
  scheduled: svg`<circle cx="12" cy="12" r="8.5"/><path d="M12 7.2V12l3.2 2"/>`,
  running: svg`<circle cx="12" cy="12" r="8.5" opacity=".28"/><path class="arc" stroke-width="2.4" d="M12 3.5a8.5 8.5 0 0 1 6 14.5"/>`,
  retry: svg`<path d="M20 12a8 8 0 1 1-2.6-5.9L20 8.5"/><path d="M20 4v4.5h-4.5"/>`,
  completed: svg`<circle cx="12" cy="12" r="8.5"/><path d="m8.3 12.3 2.6 2.6 4.9-5.3"/>`,
  failed: svg`<path d="M8.5 3.5h7l5 5v7l-5 5h-7l-5-5v-7z"/><path d="m9.3 9.3 5.4 5.4M14.7 9.3l-5.4 5.4"/>`,
  cancelled: svg`<circle cx="12" cy="12" r="8.5"/><path d="m6.2 6.2 11.6 11.6"/>`,
  timeout: svg`<path d="M7 3.5h10M7 20.5h10M8 3.5v3.3c0 2.7 4 3.7 4 5.2s-4 2.5-4 5.2v3.3M16 3.5v3.3c0 2.7-4 3.7-4 5.2s4 2.5 4 5.2v3.3"/>`,

  chat: svg`<path d="M20 15a2 2 0 0 1-2 2H9l-5 4V6a2 2 0 0 1 2-2h12a2 2 0 0 1 2 2z"/>`,
  board: svg`<rect x="4" y="4" width="4.5" height="16" rx="1"/><rect x="10.2" y="4" width="4.5" height="10" rx="1"/><rect x="16.4" y="4" width="4" height="13" rx="1"/>`,
  grid: svg`<rect x="4" y="4" width="6.5" height="6.5" rx="1"/><rect x="13.5" y="4" width="6.5" height="6.5" rx="1"/><rect x="4" y="13.5" width="6.5" height="6.5" rx="1"/><rect x="13.5" y="13.5" width="6.5" height="6.5" rx="1"/>`,
  calendar: svg`<rect x="4" y="5" width="16" height="15.5" rx="2"/><path d="M4 10h16M8.5 3v4M15.5 3v4"/>`,
  log: svg`<path d="M9 6h11M9 12h11M9 18h11"/><circle cx="4.5" cy="6" r=".6"/><circle cx="4.5" cy="12" r=".6"/><circle cx="4.5" cy="18" r=".6"/>`,
  plus: svg`<path d="M12 5v14M5 12h14"/>`,
  close: svg`<path d="M6 6l12 12M18 6 6 18"/>`,
  search: svg`<circle cx="11" cy="11" r="6.5"/><path d="m20 20-4.2-4.2"/>`,
  stop: svg`<rect x="7" y="7" width="10" height="10" rx="1.5" fill="currentColor"/>`,
  send: svg`<path d="M12 19V5M6 11l6-6 6 6"/>`,
  more: svg`<circle cx="5.5" cy="12" r=".9"/><circle cx="12" cy="12" r=".9"/><circle cx="18.5" cy="12" r=".9"/>`,
  copy: svg`<rect x="9" y="9" width="11" height="11" rx="2"/><path d="M5 15h-.2A1.8 1.8 0 0 1 4 13.5V5.8A1.8 1.8 0 0 1 5.8 4h7.7A1.8 1.8 0 0 1 15 5"/>`,
  down: svg`<path d="m6 9.5 6 6 6-6"/>`,
  up: svg`<path d="m6 14.5 6-6 6 6"/>`,
  right: svg`<path d="m9.5 6 6 6-6 6"/>`,
  left: svg`<path d="m14.5 6-6 6 6 6"/>`,
  menu: svg`<path d="M4 7h16M4 12h16M4 17h10"/>`,
  check: svg`<path d="m5 12.5 4.7 4.7L19 7.5"/>`,
  rewind: svg`<path d="M4 12a8 8 0 1 0 2.6-5.9L4 8.5"/><path d="M4 4v4.5h4.5M12 8v4.3l3 1.7"/>`,
  shield: svg`<path d="M12 3.5 5 6v5.5c0 4.3 2.9 7.4 7 9 4.1-1.6 7-4.7 7-9V6z"/><path d="m9 12 2.2 2.2L15.2 10"/>`,
  fence: svg`<path d="M12 3.5 5 6v5.5c0 4.3 2.9 7.4 7 9 4.1-1.6 7-4.7 7-9V6z"/><path d="m9.7 9.7 4.6 4.6M14.3 9.7l-4.6 4.6"/>`,
  filter: svg`<path d="M4 6h16M7 12h10M10 18h4"/>`,
  play: svg`<path d="M8 5.5v13l10.5-6.5z"/>`,
  pause: svg`<path d="M9 6v12M15 6v12"/>`,
  file: svg`<path d="M14 3.5H7.5A1.5 1.5 0 0 0 6 5v14a1.5 1.5 0 0 0 1.5 1.5h9A1.5 1.5 0 0 0 18 19V7.5z"/><path d="M14 3.5v4h4"/>`,
  skip: svg`<path d="M6 6v12l9-6zM18 6v12"/>`,
  info: svg`<circle cx="12" cy="12" r="8.5"/><path d="M12 11.5v4.5M12 8h.01"/>`,
  bell: svg`<path d="M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 1.5h-15zM10 20.5h4"/>`,
  extend: svg`<path d="M12 7v5l3 2"/><path d="M20 12a8 8 0 1 1-3-6.2M20.5 3v4h-4"/>`,
  sun: svg`<circle cx="12" cy="12" r="4"/><path d="M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.4M18.4 5.6 17 7M7 17l-1.4 1.4"/>`,
  moon: svg`<path d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z"/>`,
  system: svg`<rect x="3.5" y="4.5" width="17" height="12" rx="2"/><path d="M9 20h6M12 16.5V20"/>`,
} satisfies Record<string, SVGTemplateResult>

export type IconName = keyof typeof shapes

/** An icon beside words: hidden from screen readers. `s` is 14 px, `l` 20 px, else 16 px. */
export function icon(name: IconName, size?: 's' | 'l'): TemplateResult {
  const turns = name === 'right' || name === 'left'
  return html`<svg class="icon ${size ?? ''} ${turns ? 'points' : ''}" viewBox="0 0 24 24" aria-hidden="true">${shapes[name]}</svg>`
}

/** The strokes alone, for a picture: 24 x 24 units. */
export function strokes(name: IconName): SVGTemplateResult {
  return shapes[name]
}

/** The icon of a status with its word as name. Its hue comes from `data-status` on an ancestor. */
export function statusIcon(status: JobStatus, size?: 's' | 'l'): TemplateResult {
  return html`<span class="status-icon" role="img" aria-label=${STATUS_WORDS[status]}>${icon(status, size)}</span>`
}

const LUCIDE: { [lucide: string]: IconName } = {
  'layout-grid': 'board',
  'square-kanban': 'board',
  'columns-3': 'board',
  'grid-2x2': 'grid',
  'message-square': 'chat',
  'message-circle': 'chat',
  calendar: 'calendar',
  'calendar-clock': 'calendar',
  clock: 'scheduled',
  list: 'log',
  'scroll-text': 'log',
  file: 'file',
  'file-text': 'file',
  bell: 'bell',
  shield: 'shield',
  'shield-check': 'shield',
  history: 'rewind',
  info: 'info',
  search: 'search',
  play: 'play',
}

/** The icon of a page that names one of the lucide set; `grid` for a name that is not drawn here. */
export function pageIcon(lucide: string | null): IconName {
  return (lucide && LUCIDE[lucide]) || 'grid'
}

/** The mark of the product. */
export const logo = html`<svg class="logo" viewBox="0 0 28 28" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true"><rect x="3" y="8.5" width="22" height="11" rx="5.5" transform="rotate(-45 14 14)"/><path d="m10.1 10.1 7.8 7.8"/><path d="M9.2 11.6 15.8 18.2 13.3 20.9a4.5 4.5 0 0 1-6.5-6.5z" fill="currentColor" stroke="none"/></svg>`
