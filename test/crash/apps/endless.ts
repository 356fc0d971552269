/** An app whose file is not loaded for a long time. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp } from 'capsule-actors'

process.stderr.write('loading\n')
await sleep(600_000)

export const app = createApp({ name: 'endless' })
