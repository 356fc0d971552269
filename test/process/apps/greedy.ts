/** An app with a process task that has a memory limit, for which it keeps a process ready. */
import { flushCompileCache } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp } from 'capsule-actors'
import { z } from 'zod'

// Its processes are killed, and so would keep nothing of what they compiled for the next.
flushCompileCache()

export const app = createApp({ name: 'greedy', entry: import.meta.url })

export const modest = app.task('modest', async () => 'done')

export const greedy = app.task(
  'greedy',
  { process: { memory: '256mb' }, onInterrupt: 'fail', input: z.object({ what: z.enum(['buffers', 'heap']) }) },
  async ({ what }) => {
    const held: unknown[] = []
    for (let mib = 0; mib < 512; mib++) {
      held.push(
        what === 'buffers' ? Buffer.alloc(1024 ** 2, 1) : Array.from({ length: 50_000 }, (_, n) => `${mib}.${n}`),
      )
    }
    // Whoever watches its memory may come late on a busy machine.
    await sleep(600_000)
    return held.length
  },
)
