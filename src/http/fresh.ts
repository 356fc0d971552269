/** A read of one entity includes what this node has acknowledged for it. */
import type { RunningApp } from '../app/index.ts'
import type { StreamKind } from '../events/index.ts'

/** Waits until reads show what this node last acknowledged for the entity. */
export async function fresh(app: RunningApp, kind: StreamKind, id: string): Promise<void> {
  const acknowledged = app.acknowledged(kind, id)
  if (acknowledged > app.reads.position) await app.reads.waitFor(acknowledged)
}
