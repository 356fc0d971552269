/** Jobs, what happened to them, and what they logged. */
import { z } from 'zod'
import type * as Wire from '../wire.ts'
import { anyJson, anyObject, instant, position, status } from './values.ts'

export const jobAction = z.enum(['cancel', 'retry', 'refresh', 'delete'])

export const job = z
  .object({
    id: z.string(),
    task_name: z.string(),
    title: z.string().meta({ description: 'What tells this run from its siblings' }),
    status,
    params: anyObject,
    result: anyJson,
    error: z.object({ type: z.string(), message: z.string(), retryable: z.boolean() }).nullable(),
    error_traceback: z.string().nullable(),
    attempt: z.int(),
    retries: z.int().meta({ description: 'Attempts after the first one' }),
    failures: z.int(),
    progress: z.object({ fraction: z.number().nullable(), message: z.string().nullable() }).nullable(),
    lock_key: z.string().nullable(),
    waiting_for: z.string().nullable().meta({ description: 'A sentence; null when it waits for nothing but its turn' }),
    session_id: z.string().nullable(),
    owner_id: z.string(),
    tags: z.array(z.string()),
    priority: z.int(),
    joined: z.boolean().meta({ description: 'The submission joined this live job of the same lock' }),
    submitted_at: instant,
    run_at: instant.nullable(),
    started_at: instant.nullable(),
    finished_at: instant.nullable(),
    deadline: instant.nullable(),
    node: z.string().nullable(),
    cancelled_by: z.string().nullable(),
    cancel_requested: z.boolean(),
    allowed_actions: z.array(jobAction),
    refused_actions: z
      .object({
        cancel: z.string().exactOptional(),
        retry: z.string().exactOptional(),
        refresh: z.string().exactOptional(),
        delete: z.string().exactOptional(),
      })
      .meta({ description: 'Why an action is not offered, by action' }),
    position,
    abridged: z.boolean().meta({
      description: 'On a board, if its input or result has over 8 KiB: that is left out ({}, null). GET the job for it',
    }),
  })
  .meta({ id: 'Job' }) satisfies z.ZodType<Wire.Job>

export const historyEvent = z
  .object({
    type: z.string(),
    at: instant,
    by: z.string(),
    position,
    revision: z.int(),
    data: anyObject,
    hash: z.string().nullable(),
  })
  .meta({ id: 'HistoryEvent' }) satisfies z.ZodType<Wire.HistoryEvent>

export const logLine = z
  .object({
    at: instant,
    level: z.enum(['debug', 'info', 'warn', 'error']),
    message: z.string(),
    data: anyJson,
    attempt: z.int().meta({ description: 'Which start of the job said it, from 1' }),
  })
  .meta({ id: 'LogLine' }) satisfies z.ZodType<Wire.LogLine>
