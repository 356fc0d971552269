/** What the nodes of the cluster check run: tasks of every kind of ending, locks, a limit, and a schedule of one second. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp } from 'capsule-actors'
import { z } from 'zod'

/** Each check has streams of its own on the servers. */
export const app = createApp({ name: process.env.CHECK_APP ?? 'check', concurrency: 20 })

const work = z.object({ n: z.number(), ms: z.number().default(0), key: z.string().default('') })
type Work = z.infer<typeof work>

/** Waits, and is deaf: a node that slept tries to write when it wakes, and the log must refuse it. */
async function run({ n, ms }: Work) {
  await sleep(ms)
  return { n, pid: process.pid }
}

app.task('plain', { input: work }, run)
app.task('flaky', { input: work, retries: 5, backoff: { base: '50ms', max: '200ms' } }, async (input, { attempt }) => {
  if (attempt % 2 === 1) throw new Error('every odd attempt fails')
  return run(input)
})
app.task('locked', { input: work, lock: 'key:{key}', onLocked: 'queue' }, run)
app.task('narrow', { input: work, concurrency: 4 }, run)
app.task('talkative', { input: work }, async (input, { progress, log }) => {
  progress(0.5, 'half way')
  const outcome = await run(input)
  await log('info', 'done')
  return outcome
})

app.schedule('tick', '* * * * * *', { overlap: 'parallel', missed: 'all' }, async () => {})
