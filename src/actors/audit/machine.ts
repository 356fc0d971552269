/** The audit machine: what was done to the log itself. It remembers the latest streams that went, so that none goes twice. */
import { assign, setup } from 'xstate'
import type { AuditFact } from '../../events/index.ts'
import { type Applied, applied, NOTHING_APPLIED, type Recorded } from '../kind.ts'

export interface AuditContext extends Applied {
  /** Streams that were retired last, latest last. */
  readonly retired: readonly { readonly stream: string; readonly lastRevision: number }[]
}

/** Two nodes that retire at once are at most some batches apart. */
export const REMEMBERED_RETIRED = 2000

export function evolveAudit(context: AuditContext, fact: Recorded<AuditFact>): AuditContext {
  const { stream, lastRevision } = fact.data
  return {
    retired: [...context.retired.slice(1 - REMEMBERED_RETIRED), { stream, lastRevision }],
    ...applied(context, fact),
  }
}

export const auditMachine = setup({
  types: { context: {} as AuditContext, events: {} as Recorded<AuditFact> },
  actions: { apply: assign(({ context, event }) => evolveAudit(context, event)) },
}).createMachine({
  id: 'audit',
  context: { ...NOTHING_APPLIED, retired: [] },
  initial: 'open',
  states: { open: { on: { StreamRetired: { actions: 'apply' } } } },
})
