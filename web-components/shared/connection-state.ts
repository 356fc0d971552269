/** The state of the connection as a dot and a word, in ink: it is not a status of anybody's work. */
import { html, type TemplateResult } from 'lit'
import type { ConnectionState } from '../client/index.ts'
import { clockSeconds, rough } from './format.ts'

/** A short outage is nobody's business: a reconnect is usually faster than reading about it. */
const QUIET = 1_000

/** "Live", "Connecting", "Offline 12 s, as of 14:05:12", "Sign in again". */
function connectionWords(state: ConnectionState, now = Date.now()): string {
  switch (state.status) {
    case 'live':
      return 'Live'
    case 'connecting':
      return 'Connecting'
    case 'offline':
      return now - state.since < QUIET
        ? 'Reconnecting'
        : `Offline ${rough(now - state.since)}, as of ${clockSeconds(state.since)}`
    case 'stopped':
      return state.problem?.title ?? 'Stopped'
  }
}

export function connectionState(state: ConnectionState, extra?: TemplateResult): TemplateResult {
  return html`<span class="connection num" part="connection" data-state=${state.status}
    ><i></i><span>${connectionWords(state)}</span> ${extra}</span
  >`
}
