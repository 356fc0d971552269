/** All event types that the log may hold, and how to tell whether this code knows one. */
import type { RecordedEvent } from '../event.ts'
import type { StreamKind } from '../streams.ts'
import { auditEvents } from './audit.ts'
import type { Catalogue, EventDefinition } from './define.ts'
import { limitEvents } from './limit.ts'
import { lockEvents } from './lock.ts'
import { nodeEvents } from './node.ts'
import { scheduleEvents } from './schedule.ts'
import { sessionEvents } from './session.ts'
import { settingEvents } from './setting.ts'
import { taskEvents } from './task.ts'

export type { AuditFact, RetiredStream } from './audit.ts'
export { type TaskError, taskError } from './define.ts'
export type { LimitFact } from './limit.ts'
export type { LockFact } from './lock.ts'
export type { ScheduleDefinition, ScheduleFact } from './schedule.ts'
export type { SessionFact } from './session.ts'
export type { SettingFact } from './setting.ts'
export type { Backoff, Submission, TaskFact } from './task.ts'

export const catalogue: Partial<Record<StreamKind, Catalogue>> = {
  task: taskEvents,
  session: sessionEvents,
  schedule: scheduleEvents,
  lock: lockEvents,
  limit: limitEvents,
  setting: settingEvents,
  node: nodeEvents,
  audit: auditEvents,
}

/** The schema version that new events of a type are written with. */
export function currentVersion(kind: StreamKind, type: string): number {
  return definition(kind, type)?.v ?? 1
}

export function definition(kind: StreamKind, type: string): EventDefinition | undefined {
  return catalogue[kind]?.[type]
}

/** Whether this code knows the event's type and version: if not, newer code wrote it and its stream is not ours. */
export function isKnown(kind: StreamKind, event: RecordedEvent): boolean {
  const known = definition(kind, event.type)
  return known !== undefined && event.metadata.v <= known.v
}
