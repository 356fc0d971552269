/** The schedule actor: a cron definition and the decisions made for its due times. */
import type { ActorKind } from '../kind.ts'
import { decideSchedule, type ScheduleCommand } from './decide.ts'
import { evolveSchedule, type ScheduleContext, scheduleMachine } from './machine.ts'

export { occurrenceTaskId, type ScheduleCommand } from './decide.ts'
export type { ScheduleContext } from './machine.ts'

/** Of the commands that clients give. */
const FACTS: Partial<Record<ScheduleCommand['type'], string>> = {
  trigger: 'OccurrenceDue',
  pause: 'SchedulePaused',
  resume: 'ScheduleResumed',
}

export const scheduleKind: ActorKind<ScheduleCommand, ScheduleContext> = {
  kind: 'schedule',
  version: 2,
  machine: scheduleMachine,
  evolve: evolveSchedule,
  decide: decideSchedule,
  leadsTo: ({ type }, fact) => (FACTS[type] ?? fact.type) === fact.type,
}
