/** What the contract suite (contract.ts) appends, and a subscriber that remembers what it heard. */
import { randomUUID } from 'node:crypto'
import {
  type EventData,
  type EventStore,
  type JsonObject,
  type Position,
  type RecordedEvent,
  START,
  type SubscribeOptions,
} from '../../src/events/index.ts'

export function event(type: string, data: JsonObject = {}): EventData {
  return {
    id: randomUUID(),
    type,
    data,
    metadata: {
      at: '2025-01-02T03:04:05.678Z',
      by: 'user:contract',
      correlationId: 'correlation',
      causationId: 'causation',
      v: 1,
    },
  }
}

export function events(count: number): EventData[] {
  return Array.from({ length: count }, (_, i) => event(`E${i}`))
}

export function typesOf(list: readonly RecordedEvent[]): string[] {
  return list.map((one) => one.type)
}

export function isIncreasing(list: readonly RecordedEvent[]): boolean {
  return list.every((one, i) => i === 0 || one.position > (list[i - 1]?.position ?? START))
}

export interface Follower {
  readonly events: readonly RecordedEvent[]
  readonly drops: readonly Error[]
  /** All events so far, once one of this type has come. */
  until(type: string): Promise<readonly RecordedEvent[]>
  caughtUp(): Promise<Position>
  timesCaughtUp(): number
  dropped(): Promise<Error>
  close(): Promise<void>
}

/** A subscriber that remembers what it heard; `onBatch` runs after each batch was noted. */
export function follow(store: EventStore, options: SubscribeOptions, onBatch?: () => void | Promise<void>): Follower {
  const received: RecordedEvent[] = []
  const drops: Error[] = []
  const types = new Set<string>()
  const caughtUp = Promise.withResolvers<Position>()
  const dropped = Promise.withResolvers<Error>()
  let timesCaughtUp = 0
  let heard = Promise.withResolvers<void>()
  const subscription = store.subscribe(options, {
    async events(batch) {
      received.push(...batch)
      for (const one of batch) types.add(one.type)
      await onBatch?.()
      heard.resolve()
      heard = Promise.withResolvers()
    },
    caughtUp(position) {
      timesCaughtUp++
      caughtUp.resolve(position)
    },
    dropped(error) {
      drops.push(error)
      dropped.resolve(error)
    },
  })
  return {
    events: received,
    drops,
    async until(type) {
      while (!types.has(type)) await heard.promise
      return received
    },
    caughtUp: () => caughtUp.promise,
    timesCaughtUp: () => timesCaughtUp,
    dropped: () => dropped.promise,
    close: () => subscription.close(),
  }
}
