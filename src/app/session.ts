/**
 * What a handler can do with a conversation. Every call carries the claim of the turn or attempt that makes it, so a
 * handler that lost its claim says nothing more; resolved means durable.
 */
import type { JsonObject, JsonValue } from '../events/index.ts'

export interface User {
  readonly ownerId: string
}

export interface Said {
  readonly role: 'user' | 'assistant'
  readonly text: string
  /** ISO 8601. */
  readonly at: string
}

/**
 * Text that appears as it is written: `await using writer = session.streamReply()`. It has been said once it was ended, or its
 * handler has come to its end; of one that fails with its id it is written anew by the next attempt.
 */
export interface ReplyWriter extends AsyncDisposable {
  write(text: string): Promise<void>
  end(): Promise<void>
}

export interface SessionData {
  get(key: string): Promise<JsonValue | undefined>
  set(key: string, value: JsonValue): Promise<void>
  delete(key: string): Promise<void>
  all(): Promise<JsonObject>
}

/** Anything that shows which task is meant: a handle, or its id. */
export type TaskReference = string | { readonly taskId: string }

export interface Session {
  /** Undefined for scheduled work, which has an owner but no conversation. */
  readonly id: string | undefined
  readonly user: User
  /** Says something. With an id it appears once, however often it is said (over retries of a task, say). */
  reply(text: string, options?: { readonly id?: string }): Promise<void>
  /** A quiet line that replaces the one with the same id; by default one line a task or turn. */
  notify(text: string, options?: { readonly id?: string }): Promise<void>
  streamReply(options?: { readonly id?: string }): ReplyWriter
  /** Shows a block of the page DSL, or any JSON. */
  show(block: JsonObject, options?: { readonly id?: string }): Promise<void>
  /** A live card of a task. */
  showTask(task: TaskReference, options?: { readonly message?: string; readonly id?: string }): Promise<void>
  showImage(url: string, options?: { readonly alt?: string; readonly id?: string }): Promise<void>
  setTitle(title: string): Promise<void>
  /** What was said so far, oldest first. */
  history(options?: { readonly limit?: number }): Promise<readonly Said[]>
  /** Key-value state of this conversation. */
  readonly data: SessionData
}
