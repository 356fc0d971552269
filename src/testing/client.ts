/** What tests do with a running app, in few words: as somebody in particular, with reads that include their own writes. */
import type { Caller, RunningApp, SubmitRequest } from '../app/index.ts'
import type { JsonObject } from '../events/index.ts'
import type { ItemView, JobView, SessionView } from '../projections/index.ts'

export interface As {
  /** Whose tasks and conversations. Default 'local'. */
  readonly owner?: string
  /** A client's id of the command: a repeat changes nothing. */
  readonly commandId?: string
}

export class TestClient {
  readonly #running: () => RunningApp

  constructor(running: () => RunningApp) {
    this.#running = running
  }

  /** @returns the task's id */
  async submit(
    name: string,
    params: JsonObject = {},
    options: Omit<SubmitRequest, 'name' | 'params'> & As = {},
  ): Promise<string> {
    const { owner: _, commandId: __, ...request } = options
    return (await this.#running().submit({ name, params, ...request }, callerOf(options))).taskId
  }

  /** @throws Error if there is no such task */
  async job(taskId: string): Promise<JobView> {
    const { reads } = this.#running()
    await reads.waitFor(this.#running().acknowledged('task', taskId))
    const job = await reads.job(taskId)
    if (!job) throw new Error(`There is no task ${taskId}.`)
    return job
  }

  async cancel(taskId: string, reason?: string, as: As = {}): Promise<void> {
    await this.#running().cancelJob(taskId, callerOf(as), reason)
  }

  async retry(taskId: string, as: As = {}): Promise<void> {
    await this.#running().retryJob(taskId, callerOf(as))
  }

  async refresh(taskId: string, as: As = {}): Promise<void> {
    await this.#running().refreshJob(taskId, callerOf(as))
  }

  /** Writes into a conversation, which is begun if need be. @returns the message's id */
  async say(sessionId: string, text: string, options: As & { readonly messageId?: string } = {}): Promise<string> {
    const { messageId } = options
    const message = { text, create: true, ...(messageId === undefined ? {} : { messageId }) }
    return (await this.#running().sendMessage(sessionId, message, callerOf(options))).messageId
  }

  async stopTurn(sessionId: string, as: As = {}): Promise<void> {
    await this.#running().stopTurn(sessionId, callerOf(as))
  }

  /** @returns the new message's id */
  async retryMessage(sessionId: string, messageId: string, as: As = {}): Promise<string> {
    return (await this.#running().retryMessage(sessionId, messageId, callerOf(as))).messageId
  }

  async createSession(sessionId: string, as: As = {}): Promise<void> {
    await this.#running().createSession(callerOf(as), { id: sessionId })
  }

  /** What a conversation shows, oldest first. */
  async transcript(sessionId: string): Promise<readonly ItemView[]> {
    return (await this.#transcript(sessionId)).items
  }

  async session(sessionId: string): Promise<SessionView> {
    return (await this.#transcript(sessionId)).session
  }

  /** What the app has answered in a conversation, oldest first. */
  async replies(sessionId: string): Promise<readonly string[]> {
    const items = await this.transcript(sessionId)
    return items.filter((item) => item.kind === 'reply').map(({ text }) => text)
  }

  async #transcript(sessionId: string) {
    const { reads } = this.#running()
    await reads.waitFor(this.#running().acknowledged('session', sessionId))
    const transcript = await reads.transcript(sessionId)
    if (!transcript) throw new Error(`There is no session ${sessionId}.`)
    return transcript
  }
}

function callerOf({ owner = 'local', commandId }: As): Caller {
  return { by: `user:${owner}`, ownerId: owner, ...(commandId === undefined ? {} : { commandId }) }
}
