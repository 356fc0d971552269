/** What a client's command that comes again was recorded as the first time: a repeat is answered with that, and done once. */
import type { ReadStreamOptions, RecordedEvent } from '../events/index.ts'
import type { AppliedFact, Origin } from './command.ts'
import { CommandIdTaken } from './errors.ts'
import type { ActorKind, Applied } from './kind.ts'
import type { PatientStore } from './patient-store.ts'

/** Events read at a time, back from the end of the stream: the first time was a while ago, and not long. */
const LOOK_BACK = 200

/**
 * @returns undefined where the kind does not tell its commands apart, or nothing was recorded
 * @throws CommandIdTaken if the id is that of another command: it must not be answered as if this one were done
 */
export async function recordedAs<Command>(
  store: PatientStore,
  { kind, stream }: { readonly kind: Pick<ActorKind<Command, Applied>, 'kind' | 'leadsTo'>; readonly stream: string },
  command: Command,
  { commandId, mustLand = false }: Origin,
): Promise<AppliedFact | undefined> {
  if (!kind.leadsTo || commandId === undefined) return undefined
  let page: ReadStreamOptions | undefined = { direction: 'backwards', limit: LOOK_BACK }
  while (page) {
    const events: readonly RecordedEvent[] = await store.readStream(stream, page, mustLand)
    const itsOwn = events.filter(({ metadata }) => metadata.commandId === commandId)
    const found = itsOwn.find((event) => kind.leadsTo?.(command, event))
    if (found) return found
    if (itsOwn.length > 0) throw new CommandIdTaken(commandId, kind.kind)
    const oldest = events.at(-1)?.revision ?? 0n
    page = oldest > 0n ? { ...page, from: oldest - 1n } : undefined
  }
  return undefined
}
