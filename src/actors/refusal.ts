/** What a command is refused with, and how whoever gives commands by itself tells that from a fault. */
import { StreamDeleted } from '../events/index.ts'
import type { LockHeldError, NotFound, Refusal } from './errors.ts'

/** What a decision may refuse with: a refusal, or what only callers meet, who must be told. */
export type RefusedWith = Refusal | LockHeldError | NotFound

/** Whether the error is a refusal; also that the stream was deleted for good is one. */
export function isRefusal(error: unknown): error is Refusal | StreamDeleted {
  return error instanceof StreamDeleted || (error instanceof Error && 'isRefusal' in error && error.isRefusal === true)
}

/** Resolves when the work is done, or was refused. */
export async function unlessRefused(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!isRefusal(error)) throw error
  }
}
