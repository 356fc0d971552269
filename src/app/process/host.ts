/** Carries out what a handler in its own process asks for: with its attempt's session and claim, as if it ran here. */
import { type Attempt, wireError } from '../../execution/index.ts'
import type { Runs } from '../app.ts'
import { OwnerSession } from '../owner-session.ts'
import type { ReplyWriter, Session } from '../session.ts'
import type { RemoteCalls } from './calls.ts'

/** The calls of one attempt. Each throws AttemptFenced once the attempt may no longer write. */
export function callsOf(attempt: Attempt, chat: Session | undefined, runs: Runs): RemoteCalls {
  const session = chat ?? new OwnerSession({ ownerId: attempt.submission.ownerId })
  const writers = new Map<number, ReplyWriter>()
  const writer = (id: number): ReplyWriter => {
    const open = writers.get(id)
    if (!open) throw new RangeError(`There is no streamed reply ${id}.`)
    return open
  }
  const tasks = (name: string) => runs.taskApi<unknown>(name)
  const calls: RemoteCalls = {
    progress: async (fraction, message) => attempt.progress(fraction, message),
    heartbeat: () => attempt.heartbeat(),
    log: (message, data) => attempt.log('info', message, data),

    reply: (text, options) => session.reply(text, options),
    notify: (text, options) => session.notify(text, options),
    show: (block, options) => session.show(block, options),
    showTask: (taskId, options) => session.showTask(taskId, options),
    showImage: (url, options) => session.showImage(url, options),
    setTitle: (title) => session.setTitle(title),
    history: (options) => session.history(options),
    openReply: async (id, options) => void writers.set(id, session.streamReply(options)),
    writeReply: (id, text) => writer(id).write(text),
    endReply: (id) => writer(id).end(),
    leaveReply: (id) => writer(id)[Symbol.asyncDispose]() as Promise<void>,
    getData: (key) => session.data.get(key),
    setData: (key, value) => session.data.set(key, value),
    deleteData: (key) => session.data.delete(key),
    allData: () => session.data.all(),

    async submitTask(name, input, { inSession, ...options }) {
      await attempt.confirmCurrent()
      const { taskId, joined } = await tasks(name).submit(input, {
        ...options,
        session: inSession ? session : undefined,
      })
      return { taskId, joined }
    },
    async submitTasks(name, inputs, { inSession, ...options }, keys) {
      await attempt.confirmCurrent()
      const outcomes = await tasks(name).submitMany(
        inputs,
        { ...options, session: inSession ? session : undefined },
        keys,
      )
      return outcomes.map((outcome) =>
        outcome.status === 'fulfilled'
          ? { taskId: outcome.value.taskId, joined: outcome.value.joined }
          : { refused: wireError(outcome.reason) },
      )
    },
    findTasks: (name, options) => tasks(name).find(options),
    countTasks: (name, filter) => tasks(name).count(filter),
    cancelTasks: (name, filter) => tasks(name).cancel(filter),
    statusOf: (name, taskId) => tasks(name).handle(taskId).status(),
    jobOf: (name, taskId) => tasks(name).handle(taskId).job(),
    resultOf: (name, taskId, options) => tasks(name).handle(taskId).result(options),
    cancelTask: (name, taskId, reason) => tasks(name).handle(taskId).cancel(reason),
    refreshTask: (name, taskId) => tasks(name).handle(taskId).refresh(),
  }
  return held(calls, () => attempt.assertCurrent())
}

/** Each call is held against the claim before anything else. */
function held(calls: RemoteCalls, assertCurrent: () => void): RemoteCalls {
  return new Proxy(calls, {
    get(target, name, receiver) {
      assertCurrent()
      return Reflect.get(target, name, receiver)
    },
  })
}
