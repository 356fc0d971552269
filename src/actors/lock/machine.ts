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
  /** Of the event by which it asked: what was promised to it then is read there. */
  readonly asked: number
  /** Of the task, from 1. */
  readonly run: number
}

/** A submit that was answered with a live task. */
export interface Join {
  readonly asker: string
  readonly taskId: string
  /** As of the Party that the task was. */
  readonly asked: number | undefined
}

export interface LockContext extends Applied {
  readonly holder: Party | undefined
  readonly queue: readonly Party[]
  /** Submits that were answered with a live task, latest last: a repeat gets the same answer. */
  readonly joins: readonly Join[]
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
      if (asker === undefined) return {}
      const asked = [context.holder, ...context.queue].find((party) => party?.taskId === taskId)?.asked
      return { joins: [...context.joins.slice(1 - REMEMBERED_JOINS), { asker, taskId, asked }] }
    }
  }
}

function party({ data, revision }: Recorded<Extract<LockFact, { type: 'LockAcquired' | 'LockQueued' }>>): Party {
  const { taskId, name, ownerId, run = 1 } = data
  return { taskId, name, ownerId, revision, asked: revision, run }
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
