/**
 * From a request to a durable task. Every submit of a declared task passes here, whoever asks: the input is checked, the
 * task's options become its submission, its id is found, `maxQueued` is held, and the node's submitter records it.
 */
import { v5 as uuidv5 } from 'uuid'
import {
  type ActorSystem,
  InvalidInput,
  joinable,
  lockKind,
  NotFound,
  type Origin,
  QueueFull,
  sessionKind,
  taskKind,
  UnknownTask,
} from '../actors/index.ts'
import { type JsonObject, newId, type Submission } from '../events/index.ts'
import { checkCallbackUrl, type Node } from '../execution/index.ts'
import { notAnId, originOf, VALID_ID } from './callers.ts'
import type { TaskDefinition } from './definition.ts'
import { parseDuration } from './duration.ts'
import type { Caller, SubmitItem, SubmitRequest, Submitted } from './running.ts'
import { submitMany } from './submit-many.ts'
import { parseInput, withDefaults } from './task.ts'

export interface SubmitsParts {
  readonly app: { readonly name: string; readonly tasks: ReadonlyMap<string, TaskDefinition> }
  readonly system: ActorSystem
  readonly node: Pick<Node, 'submitter' | 'queued'>
  readonly allowPrivateCallbacks?: boolean
}

/** Namespace of task ids that derive from an idempotency key. */
const KEYED = '8f0a3b52-1c7e-5d0b-9a56-4b7a2f6f9d11'
/** The last instant that ISO 8601 writes with four digits of year. */
const LATEST = Date.parse('9999-12-31T23:59:59.999Z')

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
    return (await this.#prepare(request, caller))()
  }

  many(name: string, items: readonly SubmitItem[], caller: Caller) {
    const definition = this.definition(name)
    return submitMany(definition, items, caller, (request, each) => this.#prepare(request, each))
  }

  /** A task that runs once and is not tried again; a held lock refuses it. */
  async once(name: string, params: JsonObject, caller: Caller): Promise<Submitted> {
    const { lockKey } = this.definition(name)
    const { commandId } = caller
    // A key of its own: a submit with the same one asks for something else.
    const idempotencyKey = commandId === undefined ? undefined : `execute:${commandId}`
    const request: SubmitRequest = { name, params, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) }
    const instead: Partial<Submission> = { retries: 0, ...(lockKey ? { onLocked: 'reject' } : {}) }
    return (await this.#prepare(request, caller, instead))()
  }

  /** Checks a request. @returns what submits it */
  async #prepare(
    request: SubmitRequest,
    caller: Caller,
    instead: Partial<Submission> = {},
  ): Promise<() => Promise<Submitted>> {
    const definition = this.definition(request.name)
    const { sessionId } = request
    const ownerId = sessionId === undefined ? caller.ownerId : await this.#sessionOwner(sessionId)
    const submission = { ...this.#submission(definition, request, ownerId), ...instead }
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
    if (node.queued(name) + (this.#underWay.get(name) ?? 0) >= limit && (await this.#adds(taskId, submission))) {
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
  async #adds(taskId: string, submission: Submission): Promise<boolean> {
    const { system } = this.#parts
    if ((await system.read(taskKind, taskId)).state.value !== 'new') return false
    const { lockKey, onLocked, runAt } = submission
    if (lockKey === undefined || onLocked !== 'join' || runAt !== undefined) return true
    return joinable(submission, (await system.read(lockKind, lockKey)).state.context) === undefined
  }

  #submission(definition: TaskDefinition, request: SubmitRequest, ownerId: string): Submission {
    const params = withDefaults(request.params, parseInput(definition, request.params))
    const { timeoutMs, lockKey, retryOnTimeout, onInterrupt } = definition
    const { sessionId, idempotencyKey, callbackUrl = definition.callbackUrl } = request
    if (callbackUrl !== undefined) checkCallbackUrl(callbackUrl, this.#parts.allowPrivateCallbacks ?? false)
    // Made again when the task is due; what has no key by then could not be told to whoever submits now.
    definition.limits?.key?.of(params)
    const runAt = this.#runAt(request)
    const expiresAt = this.#expiresAt(definition.expiresMs, runAt)
    return {
      name: definition.name,
      params,
      ownerId,
      priority: request.priority ?? definition.priority,
      tags: [...definition.tags],
      retries: definition.retries,
      backoff: definition.backoff,
      graceMs: definition.graceMs,
      ...(sessionId === undefined ? {} : { sessionId }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(retryOnTimeout ? { retryOnTimeout } : {}),
      ...(onInterrupt === 'fail' ? { onInterrupt } : {}),
      ...(definition.onFailure ? { onFailure: true } : {}),
      ...(callbackUrl === undefined ? {} : { callbackUrl }),
      ...(definition.process ? { process: true } : {}),
      ...(lockKey === undefined ? {} : { lockKey: lockKey(params), onLocked: definition.onLocked }),
      ...(runAt === undefined ? {} : { runAt }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
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
    const at = Date.parse(runAt)
    if (Number.isNaN(at)) {
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

  /** With a key, or a client's id of the command, the same asking is the same task. */
  #taskId(name: string, ownerId: string, request: SubmitRequest, caller: Caller): string {
    const key = request.idempotencyKey ?? caller.commandId
    return key === undefined ? newId() : uuidv5(JSON.stringify([this.#parts.app.name, name, ownerId, key]), KEYED)
  }

  async #sessionOwner(sessionId: string): Promise<string> {
    if (!VALID_ID.test(sessionId)) throw notAnId('session', sessionId)
    const { state } = await this.#parts.system.read(sessionKind, sessionId)
    if (state.context.ownerId === undefined) throw new NotFound('session', sessionId)
    return state.context.ownerId
  }
}
