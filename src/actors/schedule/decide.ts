/** The schedule's rules: each due time is decided once, and the decision says why. Pure. */
import { isDeepStrictEqual } from 'node:util'
import { v5 as uuidv5 } from 'uuid'
import { instant, type ScheduleDefinition, type ScheduleFact } from '../../events/index.ts'
import { CommandRefused } from '../errors.ts'
import { type DecideContext, type Decision, nothing, refuse, type State } from '../kind.ts'
import type { ScheduleContext } from './machine.ts'

export type ScheduleCommand =
  | { readonly type: 'register'; readonly name: string; readonly definition: ScheduleDefinition }
  /** A due time of the cron has come, or is made up for after downtime. */
  | { readonly type: 'tick'; readonly name: string; readonly due: string; readonly trigger: 'cron' | 'caught-up' }
  /** A due time that passed while nothing ran and is not made up for. */
  | { readonly type: 'miss'; readonly due: string }
  | { readonly type: 'trigger'; readonly name: string }
  | { readonly type: 'finish'; readonly due: string; readonly taskId: string; readonly status: string }
  | { readonly type: 'pause'; readonly reason?: string }
  | { readonly type: 'resume' }
  | { readonly type: 'remove' }

export function decideSchedule(
  command: ScheduleCommand,
  schedule: State<ScheduleContext>,
  context: DecideContext,
): Decision<ScheduleFact> {
  const { value } = schedule
  if (command.type === 'register') return register(command, schedule)
  if (command.type === 'finish') return finish(command, schedule)
  if (value === 'new' || value === 'removed') {
    return refuse(new CommandRefused(command.type, 'There is no such schedule: the running app does not declare it.'))
  }
  switch (command.type) {
    case 'tick':
      return tick(command, schedule)
    case 'miss':
      return decided(command.due, schedule)
        ? nothing
        : { facts: [{ type: 'OccurrenceSkipped', data: { due: command.due, reason: 'missed' } }] }
    case 'trigger': {
      const due = instant(context.now)
      const taskId = context.newId()
      return { facts: [{ type: 'OccurrenceDue', data: { due, taskId, trigger: 'manual' } }] }
    }
    case 'pause':
      if (value === 'paused') return nothing
      return {
        facts: [{ type: 'SchedulePaused', data: command.reason === undefined ? {} : { reason: command.reason } }],
      }
    case 'resume':
      return value === 'paused' ? { facts: [{ type: 'ScheduleResumed', data: {} }] } : nothing
    case 'remove':
      return { facts: [{ type: 'ScheduleRemoved', data: {} }] }
  }
}

function register(
  { name, definition }: Extract<ScheduleCommand, { type: 'register' }>,
  { value, context }: State<ScheduleContext>,
): Decision<ScheduleFact> {
  if (value === 'new' || value === 'removed')
    return { facts: [{ type: 'ScheduleRegistered', data: { name, ...definition } }] }
  if (isDeepStrictEqual(context.definition, definition)) return nothing
  return { facts: [{ type: 'ScheduleChanged', data: { name, ...definition } }] }
}

function tick(
  { name, due, trigger }: Extract<ScheduleCommand, { type: 'tick' }>,
  schedule: State<ScheduleContext>,
): Decision<ScheduleFact> {
  if (decided(due, schedule)) return nothing
  if (schedule.value === 'paused') return { facts: [{ type: 'OccurrenceSkipped', data: { due, reason: 'paused' } }] }
  const {
    running: [running],
    definition,
  } = schedule.context
  // What is made up for by 'all' lines up instead: it was due while nothing ran.
  const linesUp = trigger === 'caught-up' && definition?.missed === 'all'
  if (running && definition?.overlap === 'skip' && !linesUp) {
    const detail = `The occurrence of ${running.due} still runs as task ${running.taskId}.`
    return { facts: [{ type: 'OccurrenceSkipped', data: { due, reason: 'overlap', detail } }] }
  }
  return { facts: [{ type: 'OccurrenceDue', data: { due, taskId: occurrenceTaskId(name, due), trigger } }] }
}

function finish(
  { due, taskId, status }: Extract<ScheduleCommand, { type: 'finish' }>,
  { context }: State<ScheduleContext>,
): Decision<ScheduleFact> {
  return context.running.some((running) => running.taskId === taskId)
    ? { facts: [{ type: 'OccurrenceFinished', data: { due, taskId, status } }] }
    : nothing
}

/** A due time not after the last decided one is decided already. Both are ISO 8601 in UTC, so text order is time order. */
function decided(due: string, { context }: State<ScheduleContext>): boolean {
  return context.lastDue !== undefined && due <= context.lastDue
}

const OCCURRENCES = 'd5f6b6f0-6b5e-5c53-8d0a-5b0a3f1f7a64'

/** The task of an occurrence: the same on every node. */
export function occurrenceTaskId(name: string, due: string): string {
  return uuidv5(`${name} ${due}`, OCCURRENCES)
}
