/** The schedule machine: what it is defined as, which due time was decided last, and which occurrences still run. */
import { assign, setup } from 'xstate'
import type { ScheduleDefinition, ScheduleFact } from '../../events/index.ts'
import { type Applied, applied, NOTHING_APPLIED, type Recorded } from '../kind.ts'

/** An occurrence whose task has not ended. */
export interface RunningOccurrence {
  readonly due: string
  readonly taskId: string
}

export interface ScheduleContext extends Applied {
  readonly definition: ScheduleDefinition | undefined
  /** Since when it has this cron: no occurrence is due before. ISO 8601. */
  readonly registeredAt: string | undefined
  /** Due time of the cron's last decided occurrence, ISO 8601. */
  readonly lastDue: string | undefined
  readonly running: readonly RunningOccurrence[]
}

export function evolveSchedule(context: ScheduleContext, fact: Recorded<ScheduleFact>): ScheduleContext {
  return { ...context, ...changes(context, fact), ...applied(context, fact) }
}

function changes(context: ScheduleContext, fact: Recorded<ScheduleFact>): Partial<ScheduleContext> {
  switch (fact.type) {
    case 'ScheduleRegistered':
    case 'ScheduleChanged': {
      const { name: _, ...definition } = fact.data
      // A new or changed cron counts from when it was declared: its past is not made up for.
      const goesOn = fact.type === 'ScheduleChanged' && isDueAlike(definition, context.definition)
      return { definition, ...(goesOn ? {} : { registeredAt: new Date(fact.at).toISOString() }) }
    }
    case 'OccurrenceDue': {
      const { due, taskId, trigger } = fact.data
      return {
        running: [...context.running, { due, taskId }],
        ...(trigger === 'manual' ? {} : { lastDue: due }),
      }
    }
    case 'OccurrenceSkipped':
      return { lastDue: fact.data.due }
    case 'OccurrenceFinished':
      return { running: context.running.filter(({ taskId }) => taskId !== fact.data.taskId) }
    case 'SchedulePaused':
    case 'ScheduleResumed':
    case 'ScheduleRemoved':
      return {}
  }
}

function isDueAlike(a: ScheduleDefinition, b: ScheduleDefinition | undefined): boolean {
  return a.cron === b?.cron && a.timezone === b.timezone
}

const always = {
  ScheduleChanged: { actions: 'apply' },
  OccurrenceSkipped: { actions: 'apply' },
  OccurrenceDue: { actions: 'apply' },
  ScheduleRemoved: { target: 'removed', actions: 'apply' },
} as const

export const scheduleMachine = setup({
  types: { context: {} as ScheduleContext, events: {} as Recorded<ScheduleFact> },
  actions: { apply: assign(({ context, event }) => evolveSchedule(context, event)) },
}).createMachine({
  id: 'schedule',
  context: { ...NOTHING_APPLIED, definition: undefined, registeredAt: undefined, lastDue: undefined, running: [] },
  initial: 'new',
  on: { OccurrenceFinished: { actions: 'apply' } },
  states: {
    new: { on: { ScheduleRegistered: { target: 'active', actions: 'apply' } } },
    active: { on: { ...always, SchedulePaused: { target: 'paused', actions: 'apply' } } },
    paused: { on: { ...always, ScheduleResumed: { target: 'active', actions: 'apply' } } },
    removed: { on: { ScheduleRegistered: { target: 'active', actions: 'apply' } } },
  },
})
