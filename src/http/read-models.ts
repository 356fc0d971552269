/** The read models as /api/v1/system shows them, and how an operator has them made again while they answer. */
import { z } from 'zod'
import type { ReadModelStatus } from '../projections/index.ts'
import { type Route, route } from './route.ts'

export const readModel = z
  .object({
    name: z.string(),
    version: z.int(),
    position: z.string().meta({ description: 'What it has taken in of the log' }),
    rebuilding: z.boolean(),
    rebuild: z
      .object({
        position: z.string().meta({ description: 'How far in the log it is' }),
        until: z
          .string()
          .meta({ description: 'Where it takes the place of the one in use, as far as is known by now' }),
        events: z.int().meta({ description: 'What it has read of the log' }),
      })
      .nullable()
      .meta({ description: 'How far it is, while it is made again' }),
    rebuild_failed: z
      .string()
      .nullable()
      .meta({ description: 'Why the last rebuild came to nothing: the one before it goes on' }),
  })
  .meta({ id: 'ReadModel' })

export type ReadModelWire = z.output<typeof readModel>

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
    answers: { 202: { description: 'How they stand', schema: z.array(readModel) } },
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
    answers: { 202: { description: 'How it stands', schema: readModel } },
    errors: ['unknown-read-model'],
    async handle({ app, reply, param }) {
      const all = await app.reads.rebuild(param('name'))
      reply.code(202)
      return all.filter(({ name }) => name === param('name')).map(toReadModel)[0]
    },
  }),
]
