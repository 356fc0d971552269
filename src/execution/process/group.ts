/** A process and all it started: its group. Killed as a whole, so that nothing of an attempt outlives it. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Windows has no process groups: there only the process itself is reached. */
const HAS_GROUPS = process.platform !== 'win32'
const LOOK_EVERY_MS = 5

/** SIGKILL to the group that `pid` leads. Nothing happens if it is gone. */
export function killGroup(pid: number): void {
  signal(pid, 'SIGKILL')
}

/** Resolves when no process of the group is left, or after `limitMs`; with whether it is gone. */
export async function groupGone(pid: number, limitMs: number): Promise<boolean> {
  const until = performance.now() + limitMs
  while (signal(pid, 0) && !isDead(pid)) {
    if (performance.now() > until) return false
    await sleep(LOOK_EVERY_MS)
  }
  return true
}

function signal(pid: number, name: 'SIGKILL' | 0): boolean {
  try {
    return process.kill(HAS_GROUPS ? -pid : pid, name)
  } catch {
    return false
  }
}

/** Killed, and only waiting for somebody to ask for its exit code: where process 1 never does, that is for ever. */
function isDead(pid: number): boolean {
  if (process.platform !== 'linux') return false
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')
  } catch {
    return false
  }
}
