/** What the thread of images is asked to do, and what it answers. */
import type { Failure } from '../protocol.ts'

export type ImageJob =
  | { readonly is: 'write'; readonly log: string; readonly image: string }
  | { readonly is: 'check'; readonly image: string }

export type FromImageWorker =
  | { readonly is: 'done' }
  | { readonly is: 'damaged'; readonly found: string }
  | { readonly is: 'failed'; readonly failure: Failure }
