/** What the crash tests run: tasks of every kind of ending, with and without locks, a chat and a schedule. */
import { existsSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp } from 'capsule-actors'
import { z } from 'zod'

export const app = createApp({ name: 'work' })

const backoff = { base: '50ms', max: '50ms' }
const work = z.object({ n: z.number().default(0), ms: z.number().default(0) })
const locked = work.extend({ key: z.string() })

interface Work {
  readonly n: number
  readonly ms: number
}

async function run({ n, ms }: Work, { signal }: { signal: AbortSignal }) {
  await sleep(ms, undefined, { signal })
  return { n }
}

app.task('plain', { input: work }, run)

const tried = new Set<string>()
app.task('flaky', { input: work, retries: 3, backoff }, async (input, context) => {
  if (!tried.has(context.taskId)) {
    tried.add(context.taskId)
    throw new Error('the first attempt in a process fails')
  }
  return run(input, context)
})
// Runs until the test makes the file, and leaves a line beside it for each time that it got through.
app.task('gate', { input: z.object({ file: z.string() }) }, async ({ file }, { signal }) => {
  while (!existsSync(file)) await sleep(10, undefined, { signal })
  await appendFile(`${file}.passed`, 'passed\n')
  return { opened: true }
})
// The same, and waits for nothing that it says.
app.task('careless', { input: z.object({ file: z.string() }) }, async ({ file }, { log, signal }) => {
  while (!existsSync(file)) await sleep(10, undefined, { signal })
  log('opened')
})
// The same as gate, and then fails the first time that it gets through.
app.task('stumble', { input: z.object({ file: z.string() }), retries: 1, backoff }, async ({ file }, { signal }) => {
  while (!existsSync(file)) await sleep(10, undefined, { signal })
  if (existsSync(`${file}.passed`)) return { opened: true }
  await appendFile(`${file}.passed`, 'passed\n')
  throw new Error('the first time')
})
app.task('broken', { input: work, retries: 1, backoff }, async () => {
  throw new Error('every attempt fails')
})
app.task('late', { input: work, timeout: '50ms' }, run)
app.task('once', { input: work, onInterrupt: 'fail' }, run)
app.task('join', { input: locked, lock: 'join:{key}' }, run)
app.task('queue', { input: locked, lock: 'queue:{key}', onLocked: 'queue' }, run)
app.task('replace', { input: locked, lock: 'replace:{key}', onLocked: 'replace' }, run)
app.task('brittle', { input: locked, lock: 'queue:{key}', onLocked: 'queue' }, async () => {
  throw new Error('every attempt fails')
})

app.message(async (session, message) => {
  await session.reply(`You said ${message.text}`, { id: 'answer' })
})

app.schedule('yearly', '0 0 1 1 *', async () => {})
