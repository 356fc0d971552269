/** Events of `node-<id>`: a process that runs work. Capped in the log and outside the hash chain. */
import { z } from 'zod'
import { event, id, jsonObject, text } from './define.ts'

export const nodeEvents = {
  NodeStarted: event(() => z.object({ node: id, version: text, manifest: jsonObject })),
  /** The manifest now and then: the first event of the stream may be gone. */
  NodeSeen: event(() => z.object({ loopLagMs: z.number().nonnegative(), manifest: jsonObject.optional() })),
  NodeDraining: event(() => z.object({})),
  NodeStopped: event(() => z.object({ clean: z.boolean() })),
}
