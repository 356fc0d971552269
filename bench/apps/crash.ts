/** An app whose one task takes 5 s and notes when it was started, by the clock that all processes share. */
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp } from 'capsule-actors'

export const app = createApp({ name: 'crash' })

app.task('crash', async (_input, { signal }) => {
  appendFileSync(process.env.CRASH_STARTS ?? '/dev/null', `${Number(process.hrtime.bigint()) / 1e6}\n`)
  await sleep(5000, undefined, { signal })
})
