/** What a client of the live socket may send: one JSON text a frame, with nothing in it that its type does not have. */
import { z } from 'zod'
import { commands } from './commands.ts'
import { boardWindow } from './schemas/index.ts'
import { topics } from './topics.ts'
import type { CommandName, Topic } from './wire.ts'

const names = <Name extends string>(table: Readonly<Record<Name, unknown>>) => Object.keys(table) as Name[]
const frameId = z.string().min(1).max(200)
const frame = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('hello'), protocol: z.number(), token: z.string().optional() }),
  z.strictObject({
    type: z.literal('subscribe'),
    id: frameId,
    topic: z.unknown().optional(),
    params: z.unknown().optional(),
    from: z.string().optional(),
  }),
  z.strictObject({ type: z.literal('window'), id: frameId, column: z.int().min(0), ...boardWindow.shape }),
  z.strictObject({ type: z.literal('unsubscribe'), id: frameId }),
  z.strictObject({
    type: z.literal('command'),
    id: frameId,
    name: z.unknown().optional(),
    payload: z.unknown().optional(),
  }),
  z.strictObject({ type: z.literal('pong') }),
])
export type Frame = z.output<typeof frame>
export const topicName = z.enum(names<Topic>(topics))
export const commandName = z.enum(names<CommandName>(commands))
export const commandId = z.uuid('A command’s id must be a UUID: it is how a repeat is recognised')

/** The frame, or what is wrong with it. */
export function readFrame(text: string): Frame | string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'A frame must be JSON'
  }
  const read = frame.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  return `Not a frame: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`
}
