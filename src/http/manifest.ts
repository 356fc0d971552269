/**
 * An app's definition as data: what it declares, for whoever compares two versions of it or prepares what it needs. In the
 * words of the API, and the same byte for byte as long as the app is the same.
 */
import type { App, TaskDefinition } from '../app/index.ts'
import { cronInWords } from '../execution/index.ts'
import { taskInfo } from './task-info.ts'

/** `version` is the app's. What is secret is left out; null is what the app does not say. */
export function appManifest(app: App, version: string) {
  return {
    name: app.name,
    version,
    concurrency: app.concurrency,
    allow_private_callbacks: app.allowPrivateCallbacks ?? null,
    has_chat: app.onMessage !== undefined,
    tasks: byName(app.tasks).map((task) => ({ ...taskInfo(task), ...optionsOf(task) })),
    schedules: byName(app.schedules).map(({ name, description, cron, timezone, overlap, missed }) => ({
      name,
      description: description ?? null,
      cron,
      meaning: cronInWords(cron),
      timezone,
      overlap,
      missed,
    })),
    // Their order is that of the navigation. Their blocks are made at each request.
    pages: app.pages.map(({ name, icon, slug }) => ({ name, icon: icon ?? null, slug })),
  }
}

/** Where a declaration stands in the file is not part of it. */
function byName<T extends { readonly name: string }>(declared: ReadonlyMap<string, T>): T[] {
  return [...declared.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Of `taskInfo` are the first four, and code tells nothing. The compiler refuses an option that stays among the `others`. */
function optionsOf({ name, description, tags, input, handler, retryable, lockKey, ...options }: TaskDefinition) {
  const { retries, backoff, timeoutMs, graceMs, retryOnTimeout, onInterrupt, onLocked, process, priority, ...more } =
    options
  const { declared, limits, expiresMs, maxQueued, callbackUrl, onFailure, ...others } = more
  return {
    ...(others satisfies Record<string, never>),
    retries,
    backoff: { base_ms: backoff.base, factor: backoff.factor, max_ms: backoff.max },
    retry_for: declared.retryFor?.map(({ name }) => name || null) ?? null,
    timeout_ms: timeoutMs ?? null,
    grace_ms: graceMs,
    retry_on_timeout: retryOnTimeout,
    on_interrupt: onInterrupt,
    lock: declared.lock === undefined ? null : { key: templateOf(declared.lock), on_locked: onLocked },
    process: process ? { memory_bytes: process.memoryBytes ?? null } : null,
    priority,
    concurrency: limits?.concurrency ?? null,
    concurrency_key: limits?.key ? { key: templateOf(declared.concurrencyKey?.key), limit: limits.key.limit } : null,
    rate_limit: limits?.rate ? { limit: limits.rate.limit, per_ms: limits.rate.perMs } : null,
    expires_ms: expiresMs ?? null,
    max_queued: maxQueued ?? null,
    callback_url: callbackUrl ?? null,
    has_on_failure: onFailure !== undefined,
  }
}

/** Null for a key that a function makes. */
function templateOf(key: unknown): string | null {
  return typeof key === 'string' ? key : null
}
