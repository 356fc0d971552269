/** The commands that operate a running server over its HTTP API. */
import type { Command } from 'commander'
import { registerCancel, registerRetry } from './change.ts'
import { registerJobs } from './jobs.ts'
import { registerLogs } from './logs.ts'
import { registerSchedules } from './schedules.ts'
import { registerSubmit } from './submit.ts'
import { registerTasks } from './tasks.ts'

export function registerOperate(program: Command): void {
  registerTasks(program)
  registerJobs(program)
  registerSubmit(program)
  registerCancel(program)
  registerRetry(program)
  registerLogs(program)
  registerSchedules(program)
}
