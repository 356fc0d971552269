/** The lock machine: one holder, and a queue in the order of asking. */
import { assign, setup } from 'xstate'
import type { LockFact } from '../../events/index.ts'
import { type Applied, applied, NOTHING_APPLIED, type Recorded } from '../kind.ts'

export interface Party {
  readonly taskId: string
  readonly name: string
  readonly ownerId: string
  /** Of the lock's stream, when it became the holder: the fencing token. Before that, when it began to wait. */
  readonly revision: number
  /** Of the task, from 1. */
  readonly run: number
}

export interface LockContext extends Applied {
  readonly holder: Party | undefined
  readonly queue: readonly Party[]
  /** Submits that were answered with a live task, latest last: a repeat gets the same answer. */
  readonly joins: readonly { readonly asker: string; readonly taskId: string }[]
}

const REMEMBERED_JOINS = 256

export function evolveLock(context: LockContext, fact: Recorded<LockFact>): LockContext {
  return { ...context, ...changes(context, fact), ...applied(context, fact) }
}

function changes(context: LockContext, fact: Recorded<LockFact>): Partial<LockContext> {
  switch (fact.type) {
    case 'LockAcquired':
      return { holder: party(fact) }
    case 'LockQueued': {
      const replaced = fact.data.replaces
      const queue = replaced ? context.queue.filter((waiter) => !replaced.includes(waiter.taskId)) : context.queue
      return { queue: [...queue, party(fact)] }
    }
    case 'LockReleased': {
      const { taskId } = fact.data
      return context.holder?.taskId === taskId
        ? { holder: undefined }
        : { queue: context.queue.filter((waiter) => waiter.taskId !== taskId) }
    }
    case 'LockTakenOver': {
      const next = context.queue.find((waiter) => waiter.taskId === fact.data.to)
      return {
        holder: next && { ...next, revision: fact.revision },
        queue: context.queue.filter((waiter) => waiter !== next),
      }
    }
    case 'LockJoined': {
      const { asker, taskId } = fact.data
      return asker === undefined ? {} : { joins: [...context.joins.slice(1 - REMEMBERED_JOINS), { asker, taskId }] }
    }
  }
}

function party({ data, revision }: Recorded<Extract<LockFact, { type: 'LockAcquired' | 'LockQueued' }>>): Party {
  const { taskId, name, ownerId, run = 1 } = data
  return { taskId, name, ownerId, revision, run }
}

export const lockMachine = setup({
  types: { context: {} as LockContext, events: {} as Recorded<LockFact> },
  actions: { apply: assign(({ context, event }) => evolveLock(context, event)) },
}).createMachine({
  id: 'lock',
  context: { ...NOTHING_APPLIED, holder: undefined, queue: [], joins: [] },
  initial: 'free',
  states: {
    free: {
      on: {
        LockAcquired: { target: 'held', actions: 'apply' },
        LockTakenOver: { target: 'held', actions: 'apply' },
      },
    },
    held: {
      on: {
        LockJoined: { actions: 'apply' },
        LockQueued: { actions: 'apply' },
        LockReleased: [
          {
            guard: ({ context, event }) => context.holder?.taskId === event.data.taskId,
            target: 'free',
            actions: 'apply',
          },
          { actions: 'apply' },
        ],
      },
    },
  },
})
