/**
 * A thread of a process, a task's or a watched server's, that ends it when nobody wants it any more: the process that started
 * it is gone, or it uses more memory than it may. A thread, because a handler may hold its own for as long as it likes.
 */
import { writeFileSync, writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { killGroup } from './group.ts'
import { type Guarded, LAST_WORDS_FD, type LastWords } from './protocol.ts'

const LOOK_EVERY_MS = 50

const { parentPid, memoryBytes } = workerData as Guarded

// Should the machine run out of memory, the kernel takes this process before the one that started it.
try {
  if (process.platform === 'linux') writeFileSync('/proc/self/oom_score_adj', '500')
} catch {}

function look(): void {
  if (process.ppid !== parentPid) killGroup(process.pid)
  if (memoryBytes === undefined) return
  const usedBytes = process.memoryUsage.rss()
  if (usedBytes <= memoryBytes) return
  const lastWords: LastWords = { memory: { usedBytes, limitBytes: memoryBytes } }
  try {
    writeSync(LAST_WORDS_FD, JSON.stringify(lastWords))
  } finally {
    killGroup(process.pid)
  }
}

look()
setInterval(look, LOOK_EVERY_MS)
