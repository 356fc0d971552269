/** Events of `schedule-<name>`: its definition, and a decision for every due time. */
import { z } from 'zod'
import { event, type FactOf, id, instant, text } from './define.ts'

const scheduleDefinition = z.object({
  cron: id,
  /** IANA name. */
  timezone: id,
  overlap: z.enum(['skip', 'queue', 'parallel']),
  missed: z.enum(['skip', 'latest', 'all']),
  description: text.optional(),
})
export type ScheduleDefinition = z.infer<typeof scheduleDefinition>

export const scheduleEvents = {
  ScheduleRegistered: event(() => scheduleDefinition.extend({ name: id })),
  ScheduleChanged: event(() => scheduleDefinition.extend({ name: id })),
  /** `due` is the occurrence's identity; `trigger` when a person asked for it outside the cron. */
  OccurrenceDue: event(() =>
    z.object({
      due: instant,
      taskId: id,
      trigger: z.enum(['cron', 'caught-up', 'manual']),
    }),
  ),
  OccurrenceSkipped: event(() =>
    z.object({ due: instant, reason: z.enum(['overlap', 'missed', 'paused']), detail: text.optional() }),
  ),
  /** `status` is the task's, or 'retired' where its stream was deleted before its end was noted here. */
  OccurrenceFinished: event(() => z.object({ due: instant, taskId: id, status: text })),
  SchedulePaused: event(() => z.object({ reason: text.optional() })),
  ScheduleResumed: event(() => z.object({})),
  ScheduleRemoved: event(() => z.object({})),
}
export type ScheduleFact = FactOf<typeof scheduleEvents>
