/**
 * A handler's world inside its own process: its session and the tasks it submits, of the same types as anywhere else.
 * Every call is asked of the process that runs the app; data goes there as JSON writes it, for a clone has no toJSON.
 */
import { type JsonObject, plainJson } from '../../events/index.ts'
import { reviveError } from '../../execution/index.ts'
import { plainInput } from '../input.ts'
import type { ReplyWriter, Session, SessionData, TaskReference, User } from '../session.ts'
import type { TaskHandle } from '../task.ts'
import type { TaskApi } from '../task-api.ts'
import type { RemoteCalls } from './calls.ts'

/** The calls of one job, each a question to the process that runs the app. */
export function remoteCalls(ask: (method: string, args: readonly unknown[]) => Promise<unknown>): RemoteCalls {
  return new Proxy({} as RemoteCalls, {
    get:
      (_, name) =>
      (...args: readonly unknown[]) =>
        ask(String(name), args),
  })
}

export class RemoteSession implements Session {
  readonly id: string
  readonly user: User
  readonly data: SessionData
  readonly #calls: RemoteCalls
  #writers = 0

  constructor(calls: RemoteCalls, id: string, user: User) {
    this.#calls = calls
    this.id = id
    this.user = user
    this.data = {
      get: (key) => calls.getData(key),
      set: async (key, value) => calls.setData(key, plainJson(value)),
      delete: (key) => calls.deleteData(key),
      all: () => calls.allData(),
    }
  }

  reply(text: string, options?: { readonly id?: string }): Promise<void> {
    return this.#calls.reply(text, options)
  }

  notify(text: string, options?: { readonly id?: string }): Promise<void> {
    return this.#calls.notify(text, options)
  }

  streamReply(options?: { readonly id?: string }): ReplyWriter {
    const writer = ++this.#writers
    const opened = this.#calls.openReply(writer, options)
    // Calls arrive in their order: what is written is on its way at once, also if its handler waits for nothing and returns.
    const say = async (call: Promise<void>): Promise<void> => {
      await Promise.all([opened, call])
    }
    // Whoever writes hears of it.
    opened.catch(() => {})
    return {
      write: (text) => say(this.#calls.writeReply(writer, text)),
      end: () => say(this.#calls.endReply(writer)),
      [Symbol.asyncDispose]: () => say(this.#calls.leaveReply(writer)),
    }
  }

  async show(block: JsonObject, options?: { readonly id?: string }): Promise<void> {
    await this.#calls.show(plainJson(block) as JsonObject, options)
  }

  showTask(task: TaskReference, options?: { readonly message?: string; readonly id?: string }): Promise<void> {
    return this.#calls.showTask(typeof task === 'string' ? task : task.taskId, options)
  }

  showImage(url: string, options?: { readonly alt?: string; readonly id?: string }): Promise<void> {
    return this.#calls.showImage(url, options)
  }

  setTitle(title: string): Promise<void> {
    return this.#calls.setTitle(title)
  }

  history(options?: { readonly limit?: number }) {
    return this.#calls.history(options)
  }
}

export function remoteTaskApi<Result>(name: string, calls: RemoteCalls): TaskApi<Result> {
  const handle = (taskId: string, joined: boolean): TaskHandle<Result> => ({
    taskId,
    joined,
    status: () => calls.statusOf(name, taskId),
    job: () => calls.jobOf(name, taskId),
    result: async (options) => (await calls.resultOf(name, taskId, options)) as Result,
    cancel: (reason) => calls.cancelTask(name, taskId, reason),
    refresh: () => calls.refreshTask(name, taskId),
  })
  return {
    submit: async (input, { session, ...options }) => {
      const inSession = session !== undefined
      const { taskId, joined } = await calls.submitTask(name, plainInput(name, input), { ...options, inSession })
      return handle(taskId, joined)
    },
    submitMany: async (inputs, { session, ...options }, keys) => {
      const inSession = session !== undefined
      const plain = inputs.map((input) => plainInput(name, input))
      const answers = await calls.submitTasks(name, plain, { ...options, inSession }, keys)
      return answers.map((answer) =>
        'refused' in answer
          ? { status: 'rejected', reason: reviveError(answer.refused) }
          : { status: 'fulfilled', value: handle(answer.taskId, answer.joined) },
      )
    },
    find: (options) => calls.findTasks(name, options),
    count: (filter) => calls.countTasks(name, filter),
    cancel: (filter) => calls.cancelTasks(name, filter),
    handle: (taskId) => handle(taskId, false),
  }
}
