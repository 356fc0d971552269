/** Where a log is, as a flag says it. */
import { type Place, placeOf } from '../events/index.ts'
import { UsageError } from './errors.ts'

/** @throws UsageError for what looks like a connection string and is none */
export function parsePlace(text: string): Place {
  const place = placeOf(text)
  const [scheme] = /^[a-z+]+:\/\//i.exec(text.trim()) ?? []
  // The text itself may hold a password.
  if ('directory' in place && scheme !== undefined) {
    throw new UsageError(`${scheme} is no log. Give a directory, or a connection string: esdb://… or kurrentdb://…`)
  }
  return place
}

/** The cluster that EVENTSTORE_URL names. @throws UsageError for what is no connection string, which may hold a password */
export function clusterOf(text: string): Place {
  const place = placeOf(text)
  if ('url' in place) return place
  throw new UsageError('EVENTSTORE_URL is no connection string. Give it one (esdb://… or kurrentdb://…), or unset it.')
}
