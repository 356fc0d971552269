/**
 * Crashes on demand, for tests that must know what a power cut at the worst moment leaves behind.
 *
 * `CAPSULE_FAULT=store:<before|after>-append:<EventType>[:<n>]` makes the process kill itself with SIGKILL right before
 * (`before`) or right after (`after`, so nobody got the answer) the commit of the n-th append, counted from 1, that
 * contains an event of that type. Unset, the writer has no hook at all.
 */

export interface Fault {
  /** Called for each append that is about to be committed. */
  noticed(types: readonly string[]): void
  beforeCommit(): void
  afterCommit(): void
}

/** @throws TypeError when the variable is set to something it cannot mean. */
export function readFault(setting: string | undefined): Fault | undefined {
  if (!setting?.startsWith('store:')) return undefined
  const match = /^store:(before|after)-append:([A-Za-z0-9]+)(?::(\d+))?$/.exec(setting)
  if (!match) throw new TypeError(`CAPSULE_FAULT="${setting}": expected store:<before|after>-append:<EventType>[:<n>]`)
  const [, moment, type = '', n = '1'] = match
  let left = Number(n)
  return {
    noticed(types) {
      if (types.includes(type)) left--
    },
    beforeCommit() {
      if (moment === 'before' && left <= 0) die()
    },
    afterCommit() {
      if (moment === 'after' && left <= 0) die()
    },
  }
}

function die(): void {
  process.kill(process.pid, 'SIGKILL')
}
