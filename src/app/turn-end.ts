/** Waiting for the answer to a message. */
import type { Clock } from '../actors/index.ts'
import type { ItemView, ReadModels } from '../projections/index.ts'

/** Most of a conversation that is handed over at once. */
const MOST_ITEMS = 500

/**
 * Resolves, once the turn of a message has ended, with the message and what follows it in the conversation, in order and
 * at most 500 items; with undefined after `timeoutMs`. @throws NotFound
 */
export async function untilTurnEnded(
  { reads, clock }: { readonly reads: Pick<ReadModels, 'watch' | 'transcript'>; readonly clock: Clock },
  sessionId: string,
  messageId: string,
  timeoutMs: number,
): Promise<readonly ItemView[] | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>()
  const look = (item: ItemView) => {
    if (item.kind !== 'message' || item.id !== messageId) return
    if (item.state !== 'queued' && item.state !== 'running') resolve(item.index)
  }
  const watch = reads.watch(
    'session',
    { id: sessionId },
    {
      snapshot: (_at, transcript) => transcript.items.forEach(look),
      delta: (_from, _to, changes) => {
        for (const change of changes) if (change.kind === 'item') look(change.item)
      },
      failed: reject,
    },
  )
  const timer = clock.after(timeoutMs, () => resolve(undefined))
  const index = await promise.finally(() => {
    timer.cancel()
    watch.close()
  })
  if (index === undefined) return undefined
  return (await reads.transcript(sessionId, { after: index - 1, limit: MOST_ITEMS }))?.items ?? []
}
