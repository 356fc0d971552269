/**
 * Faults on demand, for tests that must know what the worst moment leaves behind.
 *
 * `CAPSULE_FAULT=store:<before|after|full>-append:<EventType>[:<n>]` strikes at the n-th append, counted from 1, that
 * contains an event of that type, `store:<before|after|full>-delete[:<n>]` at the n-th deletion of a stream: `before` kills the process with SIGKILL right before the commit, `after` right after it
 * (so nobody got the answer), `full` fails the commit once as a full disk would. `CAPSULE_FAULT=store:full-while:<file>`
 * fails every commit so for as long as the file is there. Unset, the writer has no hook at all.
 */
import { existsSync } from 'node:fs'

export interface Fault {
  /** Called for each append that is about to be committed. */
  noticed(types: readonly string[]): void
  /** Called for each deletion of a stream that is about to be committed. */
  deleted(): void
  beforeCommit(): void
  afterCommit(): void
}

/** @throws TypeError when the variable is set to something it cannot mean. */
export function readFault(setting: string | undefined): Fault | undefined {
  if (!setting?.startsWith('store:')) return undefined
  if (setting.startsWith(FULL_WHILE)) return fullWhile(setting.slice(FULL_WHILE.length))
  const match = /^store:(before|after|full)-(?:append:([A-Za-z0-9]+)|delete)(?::(\d+))?$/.exec(setting)
  if (!match) {
    throw new TypeError(
      `CAPSULE_FAULT="${setting}": expected store:<before|after|full>-append:<EventType>[:<n>], ` +
        `store:<before|after|full>-delete[:<n>] or ${FULL_WHILE}<file>`,
    )
  }
  const [, moment, type, n = '1'] = match
  let left = Number(n)
  let struck = false
  const strikes = (at: string): boolean => {
    if (struck || moment !== at || left > 0) return false
    struck = true
    return true
  }
  return {
    noticed(types) {
      if (type !== undefined && types.includes(type)) left--
    },
    deleted() {
      if (type === undefined) left--
    },
    beforeCommit() {
      if (strikes('before')) die()
      if (strikes('full')) throw diskFull()
    },
    afterCommit() {
      if (strikes('after')) die()
    },
  }
}

const FULL_WHILE = 'store:full-while:'
const SQLITE_FULL = 13

function fullWhile(file: string): Fault {
  return {
    noticed() {},
    deleted() {},
    beforeCommit() {
      if (existsSync(file)) throw diskFull()
    },
    afterCommit() {},
  }
}

function diskFull(): Error {
  return Object.assign(new Error('database or disk is full'), { errcode: SQLITE_FULL })
}

function die(): void {
  process.kill(process.pid, 'SIGKILL')
  // The signal may take a moment to arrive, and nothing may happen meanwhile.
  for (;;);
}
