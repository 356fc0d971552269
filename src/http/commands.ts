/**
 * The commands of the live protocol: what each takes, and what it does. The frame's id is the command's id, so sending
 * a frame again does nothing more and gets the same answer.
 */
import { z } from 'zod'
import type { Caller, RunningApp } from '../app/index.ts'
import type { Position } from '../events/index.ts'
import { jobAt, submittedJob } from './jobs.ts'
import { assertOwnJob, assertOwnSession } from './own.ts'
import { scheduleAt } from './schedules.ts'
import * as schemas from './schemas/index.ts'
import { toSubmitRequest } from './tasks.ts'
import { assertScope, type User } from './users.ts'
import type { CommandName, Commands } from './wire.ts'

export interface Done<C extends CommandName> {
  readonly position: Position
  readonly result: Commands[C]['result']
}

interface Handler<C extends CommandName, Payload = Commands[C]['payload']> {
  readonly payload: z.ZodType<Payload>
  run(app: RunningApp, payload: Payload, caller: Caller, user: User): Promise<Done<C>>
}

const jobId = z.strictObject({ id: z.string().min(1) })
const scheduleName = z.strictObject({ name: z.string().min(1) })

export const commands: { readonly [C in CommandName]: Handler<C> } = {
  'message.send': {
    payload: schemas.messageSend,
    async run(app, { session_id, text, create }, caller, user) {
      await assertOwnSession(app, user, session_id, create)
      const { messageId, position } = await app.sendMessage(
        session_id,
        {
          text,
          ...(create === undefined ? {} : { create }),
          // Looked at above, one that was not there yet may have been begun by another since.
          ...(user.scope === 'admin' ? {} : { own: true }),
        },
        caller,
      )
      return { position, result: { message_id: messageId } }
    },
  },

  'message.retry': {
    payload: z.strictObject({ session_id: z.string().min(1), message_id: z.string().min(1) }),
    async run(app, { session_id, message_id }, caller, user) {
      await assertOwnSession(app, user, session_id)
      const { messageId, position } = await app.retryMessage(session_id, message_id, caller)
      return { position, result: { message_id: messageId } }
    },
  },

  'turn.stop': {
    payload: z.strictObject({ session_id: z.string().min(1) }),
    async run(app, { session_id }, caller, user) {
      await assertOwnSession(app, user, session_id)
      return { position: await app.stopTurn(session_id, caller), result: {} }
    },
  },

  'job.cancel': {
    payload: jobId,
    async run(app, { id }, caller, user) {
      await assertOwnJob(app, user, id)
      const position = await app.cancelJob(id, caller)
      return { position, result: await jobAt(app, id, position) }
    },
  },

  'job.retry': {
    payload: jobId,
    async run(app, { id }, caller, user) {
      await assertOwnJob(app, user, id)
      const position = await app.retryJob(id, caller)
      return { position, result: await jobAt(app, id, position) }
    },
  },

  'task.submit': {
    payload: schemas.taskSubmit,
    async run(app, { name, ...body }, caller, user) {
      if (body.session_id !== undefined) await assertOwnSession(app, user, body.session_id)
      const submitted = await app.submit(toSubmitRequest(name, body, caller), caller)
      return { position: submitted.position, result: await submittedJob(app, submitted) }
    },
  },

  'schedule.trigger': {
    payload: scheduleName,
    async run(app, { name }, caller, user) {
      assertScope(user, 'admin')
      const { taskId, position } = await app.triggerSchedule(name, caller)
      return { position, result: { job_id: taskId } }
    },
  },

  'schedule.pause': {
    payload: scheduleName,
    async run(app, { name }, caller, user) {
      assertScope(user, 'admin')
      const position = await app.pauseSchedule(name, caller)
      return { position, result: await scheduleAt(app, name, position) }
    },
  },

  'schedule.resume': {
    payload: scheduleName,
    async run(app, { name }, caller, user) {
      assertScope(user, 'admin')
      const position = await app.resumeSchedule(name, caller)
      return { position, result: await scheduleAt(app, name, position) }
    },
  },
}

/** Checks the user and the payload, and does it. @throws HttpRefusal `not-permitted`, ZodError, and what the app's command throws */
export function runCommand<C extends CommandName>(
  name: C,
  payload: unknown,
  app: RunningApp,
  caller: Caller,
  user: User,
): Promise<Done<C>> {
  const handler: Handler<C> = commands[name]
  assertScope(user, 'write')
  return handler.run(app, handler.payload.parse(payload), caller, user)
}
