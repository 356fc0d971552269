/** The read models as /api/v1/system shows them, and how an operator has them made again while they answer. */
import { z } from 'zod'
import type { ReadModelStatus } from '../projections/index.ts'
import { type Route, route } from './route.ts'
import * as schemas from './schemas/index.ts'

export type ReadModelWire = z.output<typeof schemas.readModel>

export function toReadModel({ position, rebuild, failed, ...same }: ReadModelStatus): ReadModelWire {
  return {
    ...same,
    position: String(position),
    rebuild: rebuild
      ? { position: String(rebuild.position), until: String(rebuild.until), events: rebuild.events }
      : null,
    rebuild_failed: failed ?? null,
  }
}

const shared = {
  method: 'POST',
  resource: 'System',
  needs: 'admin',
  description:
    'It goes on answering until the new one has caught up, which then takes its place. GET /api/v1/system tells how far ' +
    'that is. Asked again meanwhile, it is the same rebuild.',
} as const

export const readModelRoutes: readonly Route[] = [
  route({
    ...shared,
    path: '/api/v1/system/read-models/$rebuild',
    summary: 'Makes all read models again from the log',
    answers: { 202: { description: 'How they stand', schema: z.array(schemas.readModel) } },
    async handle({ app, reply }) {
      const all = await app.reads.rebuild()
      reply.code(202)
      return all.map(toReadModel)
    },
  }),

  route({
    ...shared,
    path: '/api/v1/system/read-models/:name/$rebuild',
    summary: 'Makes one read model again from the log',
    answers: { 202: { description: 'How it stands', schema: schemas.readModel } },
    errors: ['unknown-read-model'],
    async handle({ app, reply, param }) {
      const all = await app.reads.rebuild(param('name'))
      reply.code(202)
      return all.filter(({ name }) => name === param('name')).map(toReadModel)[0]
    },
  }),
]
