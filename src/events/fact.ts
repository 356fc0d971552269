/** From a recorded event to the fact it states: the one place where the words of the catalogue are taken on trust. */
import type { RecordedEvent } from './event.ts'

/**
 * The event as one of the facts of its stream's catalogue. Nothing is checked here, nor when an event is appended: facts
 * are made by deciders alone, and tests hold those to the schemas. Whoever may meet newer code's events asks `isKnown` first.
 */
export function factOf<
  F extends { readonly type: string; readonly data: object },
  E extends Pick<RecordedEvent, 'type' | 'data'> = RecordedEvent,
>(event: E): E & F {
  return event as E & F
}
