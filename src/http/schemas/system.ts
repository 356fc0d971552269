/** How the server is. The shapes are servicekit's, as Chapkit serves them. Only scripts read it: it is not in wire.ts. */
import { z } from 'zod'
import { instant } from './values.ts'

const state = z.enum(['healthy', 'degraded', 'unhealthy'])
export const health = z
  .object({
    status: state.meta({ description: 'The worst of its checks' }),
    checks: z.record(z.string(), z.object({ state, message: z.string().nullable() })),
  })
  .meta({ id: 'Health' })

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

export const system = z
  .object({
    current_time: instant,
    timezone: z.string(),
    node_version: z.string(),
    platform: z.string(),
    hostname: z.string(),
    node: z.string().meta({ description: 'The id of this process in the log' }),
    version: z.string().meta({ description: 'Of the app' }),
    position: z.string().meta({ description: 'What every read includes at least' }),
    head: z
      .string()
      .nullable()
      .meta({ description: 'Of the last event in the log; null while the event store does not answer' }),
    uptime_seconds: z.number(),
    memory_bytes: z.int(),
    read_models: z.array(readModel),
  })
  .meta({ id: 'System' })
