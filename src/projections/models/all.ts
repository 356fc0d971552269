/** The read models of this code. */
import { jobsModel } from './jobs.ts'
import { locksModel } from './locks.ts'
import { owedModel } from './owed.ts'
import { schedulesModel } from './schedules.ts'
import { sessionsModel } from './sessions.ts'

export const READ_MODELS = [jobsModel, sessionsModel, schedulesModel, locksModel, owedModel] as const
