/**
 * One polite live region per page. Sentences only, and one at a time: what comes while one is being read waits,
 * and only the newest of what waits is worth hearing.
 */
const ID = 'capsule-announcer'
const PAUSE = 1_500

let waiting: string | undefined
let timer: number | undefined

/** Has screen readers say `sentence` when they are done with what they are saying. */
export function announce(sentence: string): void {
  waiting = sentence
  if (timer === undefined) speak()
}

function speak(): void {
  timer = undefined
  if (waiting === undefined) return
  region().textContent = waiting
  waiting = undefined
  timer = window.setTimeout(speak, PAUSE)
}

function region(): HTMLElement {
  const found = document.getElementById(ID)
  if (found) return found
  const made = document.createElement('div')
  made.id = ID
  made.setAttribute('role', 'status')
  made.setAttribute('aria-live', 'polite')
  // Through CSSOM: a strict CSP forbids style attributes, not this.
  Object.assign(made.style, {
    position: 'fixed',
    width: '1px',
    height: '1px',
    overflow: 'hidden',
    clipPath: 'inset(50%)',
    whiteSpace: 'nowrap',
  })
  document.body.append(made)
  return made
}
