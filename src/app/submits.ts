/**
 * From a request to a durable task. Every submit of a declared task passes here, whoever asks: the input is checked, the
 * task's options become its submission, its id is found, `maxQueued` is held, and the node's submitter records it.
 */
import { v5 as uuidv5 } from 'uuid'
import {
  type ActorSystem,
  IdempotencyConflict,
  InvalidInput,
  joinable,
  lockKind,
  NotFound,
  type Origin,
  QueueFull,
  sessionKind,
  TaskRetired,
  taskKind,
  UnknownTask,
} from '../actors/index.ts'
import { type JsonObject, newId, type Submission } from '../events/index.ts'
import { checkCallbackUrl, type Node } from '../execution/index.ts'
import { notAnId, originOf, VALID_ID } from './callers.ts'
import type { TaskDefinition } from './definition.ts'
import { parseDuration } from './duration.ts'
import { recordedInput } from './input.ts'
import { instantOf, LATEST } from './instant.ts'
import type { Caller, SubmitItem, SubmitRequest, Submitted } from './running.ts'
import { submitMany } from './submit-many.ts'

export interface SubmitsParts {
  readonly app: { readonly name: string; readonly tasks: ReadonlyMap<string, TaskDefinition> }
  readonly system: ActorSystem
  readonly node: Pick<Node, 'submitter' | 'queued'>
  readonly allowPrivateCallbacks?: boolean
}

/** Namespace of task ids that derive from an idempotency key. */
const KEYED = '8f0a3b52-1c7e-5d0b-9a56-4b7a2f6f9d11'
export class Submits {
  readonly #parts: SubmitsParts
  /** By task with maxQueued: submits on their way to the log. */
  readonly #underWay = new Map<string, number>()

  constructor(parts: SubmitsParts) {
    this.#parts = parts
  }

  /** @throws UnknownTask */
  definition(name: string): TaskDefinition {
    const { tasks } = this.#parts.app
    const definition = tasks.get(name)
    if (!definition) throw new UnknownTask(name, [...tasks.keys()])
    return definition
  }

  async one(request: SubmitRequest, caller: Caller): Promise<Submitted> {
    const owner = this.#ownerOf(request, caller)
    return await this.#prepare(request, caller, typeof owner === 'string' ? owner : await owner)()
  }

  many(name: string, items: readonly SubmitItem[], caller: Caller) {
    const definition = this.definition(name)
    const prepare = async (request: SubmitRequest, each: Caller) =>
      this.#prepare(request, each, await this.#ownerOf(request, each))
    return submitMany(definition, items, caller, prepare)
  }

  /** For `$execute`: a task that runs once and is not tried again; a held lock refuses it. */
  async once(name: string, params: JsonObject, caller: Caller): Promise<Submitted> {
    const { lockKey } = this.definition(name)
    const { commandId } = caller
    // A key of its own: a submit with the same one asks for something else.
    const key = commandId === undefined ? {} : { idempotencyKey: `execute:${commandId}` }
    const request: SubmitRequest = { name, params, ...key }
    const overrides: Partial<Submission> = { retries: 0, ...(lockKey ? { onLocked: 'reject' } : {}) }
    try {
      return await this.#prepare(request, caller, caller.ownerId, overrides)()
    } catch (error) {
      throw commandId === undefined ? error : withItsOwnKey(error, commandId)
    }
  }

  /** Checks a request; `overrides` stand in place of what the task's options say. @returns what submits it */
  #prepare(
    request: SubmitRequest,
    caller: Caller,
    ownerId: string,
    overrides: Partial<Submission> = {},
  ): () => Promise<Submitted> {
    const definition = this.definition(request.name)
    const submission = { ...this.#submission(definition, request, ownerId), ...overrides }
    const taskId = this.#taskId(definition.name, ownerId, request, caller)
    const { maxQueued } = definition
    return () =>
      maxQueued === undefined
        ? this.#parts.node.submitter.submit(taskId, submission, originOf(caller))
        : this.#bounded(maxQueued, taskId, submission, originOf(caller))
  }

  /** @throws QueueFull if as many wait, or are on their way to the log, as the task allows */
  async #bounded(limit: number, taskId: string, submission: Submission, origin: Origin): Promise<Submitted> {
    const { node } = this.#parts
    const { name } = submission
    if (node.queued(name) + (this.#underWay.get(name) ?? 0) >= limit && (await this.#wouldWait(taskId, submission))) {
      throw new QueueFull(name, limit)
    }
    this.#underWay.set(name, (this.#underWay.get(name) ?? 0) + 1)
    try {
      return await node.submitter.submit(taskId, submission, origin)
    } finally {
      this.#underWay.set(name, (this.#underWay.get(name) ?? 1) - 1)
    }
  }

  /** Whether one more task would wait: not if it is a repeat of one that was taken, or joins the one that lives. */
  async #wouldWait(taskId: string, submission: Submission): Promise<boolean> {
    const { system } = this.#parts
    if ((await system.read(taskKind, taskId)).state.value !== 'new') return false
    const { lockKey, onLocked, runAt } = submission
    if (lockKey === undefined || onLocked !== 'join' || runAt !== undefined) return true
    return joinable(submission, (await system.read(lockKind, lockKey)).state.context) === undefined
  }

  #submission(definition: TaskDefinition, request: SubmitRequest, ownerId: string): Submission {
    const params = recordedInput(definition, request.params)
    const { timeoutMs, lockKey, retryOnTimeout, onInterrupt } = definition
    const { sessionId, idempotencyKey, callbackUrl = definition.callbackUrl, priority = definition.priority } = request
    if (idempotencyKey === '' || (idempotencyKey !== undefined && typeof idempotencyKey !== 'string')) {
      throw new InvalidInput('The idempotency key is none', [
        { path: 'idempotency_key', message: 'give text, or leave it out: tasks of one key are one task' },
      ])
    }
    // Read models have no place for any other: they would stop at the event for good.
    if (!Number.isSafeInteger(priority)) {
      throw new InvalidInput(`"${priority}" is not a priority`, [{ path: 'priority', message: 'give a whole number' }])
    }
    if (callbackUrl !== undefined) checkCallbackUrl(callbackUrl, this.#parts.allowPrivateCallbacks ?? false)
    // Made again when the task is due; what has no key by then could not be told to whoever submits now.
    definition.limits?.key?.of(params)
    const runAt = this.#runAt(request)
    const expiresAt = this.#expiresAt(definition.expiresMs, runAt)
    // In the order of their names, which the hash takes them in: it need not sort them.
    return {
      backoff: definition.backoff,
      ...(callbackUrl === undefined ? {} : { callbackUrl }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(idempotencyKey === undefined ? {} : filledInOf(request.params, params)),
      graceMs: definition.graceMs,
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      ...(lockKey === undefined ? {} : { lockKey: lockKey(params) }),
      name: definition.name,
      ...(definition.onFailure ? { onFailure: true } : {}),
      ...(onInterrupt === 'fail' ? { onInterrupt } : {}),
      ...(lockKey === undefined ? {} : { onLocked: definition.onLocked }),
      ownerId,
      params,
      priority,
      ...(definition.process ? { process: true } : {}),
      retries: definition.retries,
      ...(retryOnTimeout ? { retryOnTimeout } : {}),
      ...(runAt === undefined ? {} : { runAt }),
      ...(sessionId === undefined ? {} : { sessionId }),
      tags: [...definition.tags],
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    }
  }

  #runAt({ delay, runAt }: SubmitRequest): string | undefined {
    if (delay !== undefined && runAt !== undefined) {
      throw new InvalidInput('The start is said twice', [{ path: 'delay', message: 'give either delay or run_at' }])
    }
    if (delay !== undefined) {
      const due = this.#parts.system.clock.now() + parseDuration(delay, 'delay')
      if (due > LATEST)
        throw new InvalidInput('The delay is too long', [{ path: 'delay', message: 'ends after the year 9999' }])
      return new Date(due).toISOString()
    }
    if (runAt === undefined) return undefined
    const at = instantOf(runAt)
    if (at === undefined) {
      throw new InvalidInput(`"${runAt}" is not an instant`, [
        { path: 'run_at', message: 'write ISO 8601: 2026-01-31T09:00:00Z' },
      ])
    }
    return new Date(at).toISOString()
  }

  /** Counted from when it could start. */
  #expiresAt(expiresMs: number | undefined, runAt: string | undefined): string | undefined {
    if (expiresMs === undefined) return undefined
    const from = runAt === undefined ? this.#parts.system.clock.now() : Date.parse(runAt)
    return new Date(Math.min(LATEST, from + expiresMs)).toISOString()
  }

  /**
   * A task's id is made of what it was asked for by, so that the same asking is the same task. That is
   *
   * 1. the request's `idempotencyKey`, which is recorded with the task: the same key with other input is a conflict. A door
   *    whose clients have one key for a request (the header of HTTP, the id of a live command) gives that one; for many
   *    at once it gives each item's own, or `<key>:<place>`. `$execute` puts `execute:` before it;
   * 2. without a key the caller's `commandId`, where a door gives no more than that: a repeat is answered with what is
   *    recorded, whatever its input;
   * 3. without either a new id: each asking is another task.
   *
   * App, task and owner are part of it: nobody meets a key of another's. A lock knows who asks by this id (`asker` of
   * `LockJoined`), and so leads a repeat of what joined another task to that one again.
   */
  #taskId(name: string, ownerId: string, { idempotencyKey }: SubmitRequest, { commandId }: Caller): string {
    const key = idempotencyKey ?? commandId
    return key === undefined ? newId() : uuidv5(JSON.stringify([this.#parts.app.name, name, ownerId, key]), KEYED)
  }

  /** Whose the task will be: not a promise, unless the log is to be asked. */
  #ownerOf({ sessionId }: SubmitRequest, caller: Caller): string | Promise<string> {
    return sessionId === undefined ? caller.ownerId : this.#sessionOwner(sessionId)
  }

  async #sessionOwner(sessionId: string): Promise<string> {
    if (!VALID_ID.test(sessionId)) throw notAnId('session', sessionId)
    const { state } = await this.#parts.system.read(sessionKind, sessionId)
    if (state.context.ownerId === undefined) throw new NotFound('session', sessionId)
    return state.context.ownerId
  }
}

function filledInOf(given: JsonObject, params: JsonObject): Pick<Submission, 'filledIn'> {
  const filledIn = Object.keys(params).filter((name) => !Object.hasOwn(given, name))
  return filledIn.length === 0 ? {} : { filledIn }
}

/** The error as the client knows the key that it is about. */
function withItsOwnKey(error: unknown, key: string): unknown {
  if (error instanceof IdempotencyConflict) return new IdempotencyConflict(key, error.taskId)
  if (error instanceof TaskRetired) return new TaskRetired(error.taskId, key)
  return error
}
