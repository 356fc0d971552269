/** An app of process tasks: run by the tests themselves, from src, and in its tasks' processes, from the build. */
import { spawn } from 'node:child_process'
import { existsSync, writeSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { flushCompileCache } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp, currentSession, NonRetryableError } from 'capsule-actors'
import { z } from 'zod'

// Its processes are killed, and so would keep nothing of what they compiled for the next.
flushCompileCache()

export const app = createApp({ name: 'apart', entry: import.meta.url })

export class NoSuchCustomer extends Error {
  override readonly name = 'NoSuchCustomer'
  readonly code = 'no-such-customer'
}

export const whoAmI = app.task('who_am_i', { process: true }, async () => ({ pid: process.pid, parent: process.ppid }))

export const helper = app.task('helper', { input: z.object({ of: z.string() }) }, async ({ of }) => ({ helped: of }))

/** Uses all that a session offers, and tells what it heard. */
export const talkative = app.task('talkative', { process: true }, async (_input, { session, taskId }) => {
  if (!session) return { session: null, current: currentSession()?.user.ownerId ?? null }
  await session.notify('starting')
  await session.setTitle('A talk')
  await session.data.set('count', 1)
  await session.data.set('gone', true)
  await session.data.delete('gone')
  await session.reply('hello', { id: 'hello' })
  await session.reply('hello', { id: 'hello' })
  {
    await using writer = session.streamReply()
    await writer.write('one ')
    await writer.write('two')
  }
  await session.show({ kind: 'text', text: 'a block' })
  await session.showImage('https://example.org/a.png', { alt: 'A' })
  const handle = await helper.submit({ of: taskId }, { session })
  await session.showTask(handle, { message: 'helping' })
  const helped = await handle.result({ timeout: '10s' })
  return {
    helped,
    status: await handle.status(),
    own: (await handle.job()).sessionId === session.id,
    found: (await helper.find({ status: 'completed' })).length,
    count: await helper.count(),
    data: await session.data.all(),
    get: (await session.data.get('count')) ?? null,
    said: (await session.history()).map(({ text }) => text),
    current: currentSession() === session,
  }
})

/** Waits for none of what it writes. */
export const hasty = app.task('hasty', { process: true }, async (_input, { session }) => {
  const writer = session?.streamReply()
  void writer?.write('one ')
  void writer?.write('two')
})

class Money {
  readonly cents: number
  constructor(cents: number) {
    this.cents = cents
  }
  toJSON(): string {
    return `${this.cents / 100} EUR`
  }
}

/** Hands over what JSON writes otherwise than a clone would. */
export const paying = app.task('paying', { process: true }, async (_input, { session, log }) => {
  const price = new Money(150) as unknown as string
  await session?.data.set('price', price)
  await session?.show({ kind: 'text', text: price })
  await log('paid', { price })
  const one = await helper.submit({ of: price })
  const [many] = await helper.submitMany([{ of: price }])
  return {
    data: (await session?.data.get('price')) ?? null,
    one: await one.result(),
    many: many?.status === 'fulfilled' ? await many.value.result() : null,
  }
})

export const throws = app.task(
  'throws',
  { process: true, retries: 2, backoff: { base: 0 }, retryFor: [NoSuchCustomer], input: z.object({ how: z.string() }) },
  async ({ how }) => {
    if (how === 'known') throw new NoSuchCustomer('no customer 7', { cause: new TypeError('not a number') })
    if (how === 'final') throw new NonRetryableError('never again')
    if (how === 'twice') {
      const conflict = { idempotencyKey: 'same' }
      await helper.submit({ of: 'one' }, conflict)
      await helper.submit({ of: 'two' }, conflict)
    }
    throw new Error('something else')
  },
)

export const progressing = app.task('progressing', { process: true }, async (_input, { progress, log }) => {
  for (const step of [0.25, 0.5, 0.75, 1]) progress(step, `step ${step}`)
  await log('half way', { at: 2 })
  console.log('printed to stdout')
  console.error('printed to stderr')
  for (let line = 0; line < 3; line++) process.stdout.write(`line ${line}\n`)
  process.stdout.write('without an end')
  return null
})

/** Says how far it is twice in a moment, and then waits for the file. */
export const waiting = app.task(
  'waiting',
  { process: true, input: z.object({ file: z.string() }) },
  async ({ file }, { progress, signal }) => {
    progress(0, 'starting')
    progress(0.1, 'waiting')
    while (!existsSync(file)) await sleep(50, undefined, { signal })
  },
)

export const chatterbox = app.task('chatterbox', { process: true }, async () => {
  const longLine = 'x'.repeat(7_999)
  for (let line = 0; line < 300; line++) console.log(longLine)
  return 'said'
})

/** Stops when it is asked to. */
export const patient = app.task('patient', { process: true, timeout: '10m' }, async (_input, { signal }) => {
  await sleep(600_000, undefined, { signal })
})

/** Holds its own event loop in its first attempts, with a process beside it, and tells both pids through a file. */
export const stubborn = app.task(
  'stubborn',
  {
    process: true,
    grace: 0.2,
    input: z.object({ file: z.string(), attempts: z.number().default(Number.MAX_SAFE_INTEGER) }),
  },
  async ({ file, attempts }, { attempt }) => {
    if (attempt > attempts) return
    const grandchild = spawn('sleep', ['600'], { stdio: 'ignore' })
    await writeFile(file, JSON.stringify({ pid: process.pid, grandchild: grandchild.pid }))
    for (;;);
  },
)

export const late = app.task(
  'late',
  // Long enough for a busy machine to start what is to be killed.
  { process: true, timeout: 3, grace: 0.2, input: z.object({ file: z.string() }) },
  async ({ file }) => {
    const grandchild = spawn('sleep', ['600'], { stdio: 'ignore' })
    await writeFile(file, JSON.stringify({ pid: process.pid, grandchild: grandchild.pid }))
    // Held as by a busy loop, for three seconds that a processor has better use for.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  },
)

/** Ends its own process in its first attempts, each time as it is told. */
export const fragile = app.task(
  'fragile',
  { process: true, input: z.object({ ends: z.array(z.enum(['signal', 'exit', 'throw'])) }) },
  async ({ ends }, { attempt }) => {
    const how = ends[attempt - 1]
    if (how === undefined) return { attempt, pid: process.pid }
    if (how === 'signal') process.kill(process.pid, 'SIGKILL')
    if (how === 'exit') process.exit(7)
    setTimeout(() => {
      throw new Error('thrown where nobody catches')
    })
    return sleep(60_000)
  },
)

/** Says nonsense to whoever started its process. */
export const rude = app.task(
  'rude',
  {
    process: true,
    onInterrupt: 'fail',
    retries: 3,
    backoff: { base: 0 },
    input: z.object({ how: z.enum(['message', 'last words', 'throw', 'retryFor']) }),
    retryFor: [
      (error) => {
        if (error instanceof Error && error.message === 'the real reason') throw new TypeError('a mistake in retryFor')
        return false
      },
    ],
  },
  async ({ how }) => {
    if (how === 'message') process.send?.(null)
    if (how === 'last words') {
      writeSync(4, 'no JSON')
      process.exit(9)
    }
    if (how === 'throw') throw Object.create(null, { reason: { value: 'jam', enumerable: true } })
    if (how === 'retryFor') throw new Error('the real reason')
    return how
  },
)

export const untidy = app.task('untidy', { process: true }, async () => {
  setInterval(() => {}, 1000)
  return process.pid
})
