/** Made-up logs, in the words of the catalogue and sealed like real ones: what a log of many tasks looks like. */
import { type EventData, GENESIS, newId, type Submission, seal, streamName } from '../src/events/index.ts'
import type { Row } from './bare.ts'

export const APP = 'bench'
export const TASK = 'noop'

/** A history of one stream, ready to append. */
export interface History {
  readonly stream: string
  readonly events: readonly EventData[]
}

const NODE = '0123456789ab'

/** Some 100 bytes of JSON, like the peers' benchmark. */
export function payload(i: number): { readonly id: number; readonly pad: string } {
  return { id: i, pad: 'x'.repeat(70) }
}

/** Submitted, and not started. */
export function waiting(i: number, at = new Date()): History {
  return chain(at, [['TaskSubmitted', submission(i)]])
}

/** Submitted, started, completed. */
export function completed(i: number, at = new Date()): History {
  const claim = newId()
  const deadline = new Date(at.getTime() + 60_000).toISOString()
  return chain(at, [
    ['TaskSubmitted', submission(i)],
    ['TaskStarted', { attempt: 1, node: NODE, version: '0.1.0', deadline }, claim],
    ['TaskCompleted', { claim, result: null }],
  ])
}

export function rowsOf(histories: readonly History[]): Row[] {
  return histories.flatMap(({ stream, events }) =>
    events.map(({ id, type, data, metadata, json }, revision) => ({
      stream,
      revision,
      id,
      type,
      metadata: json?.metadata ?? JSON.stringify(metadata),
      data: json?.data ?? JSON.stringify(data),
    })),
  )
}

function submission(i: number): Submission {
  return {
    name: TASK,
    params: payload(i),
    ownerId: 'system',
    priority: 0,
    tags: [],
    retries: 0,
    backoff: { base: 1000, factor: 2, max: 300_000 },
    graceMs: 5000,
  }
}

type Step = readonly [type: string, data: object, id?: string]

function chain(at: Date, steps: readonly Step[]): History {
  const stream = streamName(APP, 'task', newId())
  const cause = newId()
  let hash = GENESIS
  const events = steps.map(([type, data, id = newId()], revision) => {
    const metadata = { at: at.toISOString(), by: 'system', causationId: cause, correlationId: cause, v: 1 } as const
    const event = { id, type, data: { ...data }, metadata }
    const sealed = seal(stream, BigInt(revision), hash, event)
    hash = sealed.metadata.hash
    return sealed
  })
  return { stream, events }
}
