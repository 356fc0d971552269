/** Goes through a whole image: SQLite's own check, every hash chain, and what the log in it holds. */
import { BackupBroken, ChainBroken } from '../copy/index.ts'
import { StoreCorrupt } from '../errors.ts'
import { type Position, START } from '../event.ts'
import { damageOf, openImage } from '../stores/sqlite/index.ts'
import { parseStream } from '../streams.ts'
import { RUN_END_EVENTS, RUN_LIVE_EVENTS } from '../task-status.ts'
import { ChainVerifier } from '../verify.ts'

export interface Contents {
  readonly apps: readonly string[]
  readonly events: number
  readonly head: Position
  /** Tasks that have not ended: a server on this log runs them. */
  readonly unfinished: number
}

const PAGE = 256

/**
 * @param onEvents told how many events were looked at so far
 * @throws BackupBroken when it is no sound database, ChainBroken when an event is not as it was appended
 */
export async function inspectImage(image: string, onEvents?: (events: number) => void): Promise<Contents> {
  const damage = await soundly(image, () => damageOf(image))
  if (damage !== undefined) throw damaged(image, damage)
  const reader = await soundly(image, async () => openImage(image))
  try {
    return await soundly(image, () => walk(image, reader, onEvents))
  } finally {
    reader.close()
  }
}

async function walk(
  image: string,
  reader: ReturnType<typeof openImage>,
  onEvents: ((events: number) => void) | undefined,
): Promise<Contents> {
  const verifier = new ChainVerifier()
  const apps = new Set<string>()
  const live = new Set<string>()
  let at: Position = START
  let events = 0
  for (;;) {
    const page = await reader.readAll({ from: at, limit: PAGE })
    for (const event of page) {
      const verdict = verifier.check(event)
      if (!verdict.ok) throw new ChainBroken(image, verdict)
      const [app = ''] = event.stream.split('.', 1)
      apps.add(app)
      if (parseStream(app, event.stream)?.kind === 'task') {
        if (RUN_LIVE_EVENTS.has(event.type)) live.add(event.stream)
        else if (RUN_END_EVENTS.has(event.type)) live.delete(event.stream)
      }
      at = event.position
    }
    events += page.length
    if (page.length === 0) {
      return { apps: [...apps].sort(), events, head: await reader.head(), unfinished: live.size }
    }
    onEvents?.(events)
  }
}

/** A page that cannot be read is damage of this file; the store would advise to restore a backup. */
async function soundly<T>(image: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof StoreCorrupt) throw damaged(image, error.message, error)
    throw error
  }
}

function damaged(image: string, found: string, cause?: unknown): BackupBroken {
  const message = `${image} is damaged: ${found.replace(/[.\s]+$/, '')}.`
  return new BackupBroken({ file: image, fault: 'damaged', message, cause })
}
