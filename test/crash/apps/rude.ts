/** Code as it should not be written: it holds the event loop, throws what is no error, lets promises and timers throw. */
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp } from 'capsule-actors'
import { z } from 'zod'
import { holdLoop } from '../../hold-loop.ts'

export const app = createApp({ name: 'work' })

const circular: Record<string, unknown> = { reason: 7n }
circular.self = circular
const things: Readonly<Record<string, unknown>> = {
  text: 'out of paper',
  nothing: undefined,
  object: { reason: 'jam' },
  circular,
  hostile: {
    get message(): string {
      throw new Error('do not look at me')
    },
    toString: () => {
      throw new Error('nor print me')
    },
  },
}

app.task('throws', { input: z.object({ what: z.string() }) }, async ({ what }) => {
  throw things[what]
})

app.task('blocks', { input: z.object({ ms: z.number() }) }, async ({ ms }) => holdLoop(ms))

app.task('quick', async () => 'done')

const gated = app.task('gate', { input: z.object({ file: z.string() }) }, async ({ file }, { signal }) => {
  while (!existsSync(file)) await sleep(10, undefined, { signal })
})

/** Ends its process with each attempt, every time in another way. */
app.task('ends', async (_, { attempt, signal }) => {
  if (attempt === 1) void Promise.reject(new Error('a promise that nobody waits for'))
  if (attempt === 2) {
    setTimeout(() => {
      throw new Error('a timer that nobody watches')
    })
  }
  if (attempt === 3) process.exit(0)
  await sleep(600_000, undefined, { signal })
})

/** Goes on after its end, and waits for nothing. */
app.task('leaves', { input: z.object({ gate: z.string() }) }, async ({ gate }, { progress, log }) => {
  setTimeout(() => progress(0.5), 500)
  setTimeout(async () => {
    await log('still here')
  }, 500)
  void (await gated.submit({ file: gate })).result()
})
