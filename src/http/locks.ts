/** /api/v1/locks: who holds which lock, who waits for it, and letting go of one whose holder has ended. */
import { z } from 'zod'
import { acknowledge, type Route, route } from './route.ts'
import * as schemas from './schemas/index.ts'
import { toLock } from './serialise.ts'

const resource = 'Locks'

export const lockRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/v1/locks',
    resource,
    needs: 'admin',
    summary: 'The locks that are held, by key',
    answers: { 200: { description: 'Holder and queue of each', schema: z.array(schemas.lock) } },
    async handle({ app }) {
      const locks = await app.reads.locks()
      return locks.map(toLock).sort((a, b) => (a.key < b.key ? -1 : 1))
    },
  }),

  route({
    method: 'POST',
    path: '/api/v1/locks/:key/$release',
    resource,
    needs: 'admin',
    summary: 'Lets go of a lock whose holder has ended',
    description:
      'The end of a job releases its lock by itself; this is for the day it did not. It cancels nothing: while the ' +
      'holder lives the answer is 409, and names the job to cancel. The next in line takes over.',
    answers: { 200: { description: 'It was released', schema: z.object({ key: z.string() }) } },
    errors: ['not-found', 'command-refused', 'not-running', 'store-unavailable'],
    async handle({ app, caller, param, reply }) {
      const key = param('key')
      acknowledge(reply, await app.releaseLock(key, caller))
      return { key }
    },
  }),
]
