/** The session actor: one conversation. */
import type { ActorKind } from '../kind.ts'
import { decideSession, type SessionCommand, sessionLeadsTo } from './decide.ts'
import { evolveSession, type SessionContext, sessionMachine } from './machine.ts'

export type { SessionCommand, Speaker } from './decide.ts'
export type { Message, SessionContext, Turn } from './machine.ts'

export const sessionKind: ActorKind<SessionCommand, SessionContext> = {
  kind: 'session',
  version: 3,
  machine: sessionMachine,
  evolve: evolveSession,
  decide: decideSession,
  leadsTo: sessionLeadsTo,
}
