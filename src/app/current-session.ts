/** Which handler is running: whoever it calls finds its session, and learns whether it may still have effects. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Session } from './session.ts'

interface Running {
  readonly session: Session
  readonly confirmCurrent: () => Promise<void>
}

const current = new AsyncLocalStorage<Running>()

/** The session of the handler that is running, undefined outside of one. */
export function currentSession(): Session | undefined {
  return current.getStore()?.session
}

/** Within a handler: that it may still have effects, or rejects with AttemptFenced. Undefined outside of one. */
export function confirmCurrent(): Promise<void> | undefined {
  return current.getStore()?.confirmCurrent()
}

/** Runs a handler: `confirmCurrent` throws once it has lost its claim. */
export function withSession<T>(session: Session, confirmCurrent: () => Promise<void>, work: () => T): T {
  return current.run({ session, confirmCurrent }, work)
}
