/** Runs one command after the other, as apart.ts sends them. */
import { executed } from './executed.ts'

export interface Sent {
  readonly id: number
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

// Each `serve` waits for signals, also one that fails.
process.setMaxListeners(0)

let before: Promise<void> = Promise.resolve()
process.on('message', ({ id, args, env }: Sent) => {
  before = before.then(async () => void process.send?.({ id, outcome: await executed(args, env) }))
})
process.on('disconnect', () => process.exit())
