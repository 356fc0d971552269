/** The task actor. */
import type { ActorKind } from '../kind.ts'
import type { TaskCommand } from './commands.ts'
import { decideTask } from './decide.ts'
import { evolveTask, type TaskContext, taskMachine } from './machine.ts'

export { isEnded } from '../../events/index.ts'
export type { Start, TaskCommand } from './commands.ts'
export { CRASHES_BEFORE_ALONE, decideTask, taskActions } from './decide.ts'
export { type Claim, type TaskContext, taskMachine } from './machine.ts'

/** Of the commands that clients give. */
const FACTS: Partial<Record<TaskCommand['type'], readonly string[]>> = {
  submit: ['TaskSubmitted', 'TaskScheduled'],
  cancel: ['TaskCancelRequested', 'TaskCancelled'],
  requeue: ['TaskRequeued'],
  refresh: ['TaskDeadlineExtended'],
  delete: ['TaskDeleted'],
}

export const taskKind: ActorKind<TaskCommand, TaskContext> = {
  kind: 'task',
  version: 2,
  machine: taskMachine,
  evolve: evolveTask,
  decide: decideTask,
  leadsTo: ({ type }, fact) => FACTS[type]?.includes(fact.type) ?? true,
}
