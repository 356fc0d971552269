/** The audit actor: what was done to the log itself. One for each app. */
import type { ActorKind } from '../kind.ts'
import { type AuditCommand, decideAudit } from './decide.ts'
import { type AuditContext, auditMachine, evolveAudit } from './machine.ts'

export type { AuditCommand } from './decide.ts'
export { type AuditContext, REMEMBERED_RETIRED } from './machine.ts'

export const auditKind: ActorKind<AuditCommand, AuditContext> = {
  kind: 'audit',
  version: 1,
  machine: auditMachine,
  evolve: evolveAudit,
  decide: decideAudit,
}
