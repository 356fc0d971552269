/** Everything that waits for some time: a schedule, a delay, a timeout, a rate, progress, a reply that is being written. */
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp } from 'capsule-actors'
import { z } from 'zod'

export const app = createApp({ name: 'work' })

const work = z.object({ n: z.number().default(0) })

app.task('plain', { input: work }, async ({ n }) => ({ n }))
app.task('late', { timeout: '3s', grace: 0 }, async (_, { signal }) => sleep(600_000, undefined, { signal }))
app.task('limited', { input: work, rateLimit: { limit: 4, per: '1s' } }, async ({ n }) => ({ n }))
// Tells how far it is, and to whoever listens, until the test makes the file.
app.task('teller', { input: z.object({ file: z.string() }) }, async ({ file }, { signal, progress, session }) => {
  await using writer = session?.streamReply({ id: 'told' })
  for (let step = 1; !existsSync(file); step++) {
    progress(undefined, `step ${step}`)
    await writer?.write(`step ${step}. `)
    await sleep(100, undefined, { signal })
  }
})

app.schedule('tick', '* * * * * *', { overlap: 'parallel', missed: 'all' }, async () => {})
