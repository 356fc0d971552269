/** How many, as a flag says it. */
import { InvalidArgumentError } from 'commander'

/** @throws InvalidArgumentError for what is no whole number from 1 */
export function parseCount(text: string): number {
  const count = Number(text)
  if (Number.isSafeInteger(count) && count > 0) return count
  throw new InvalidArgumentError('Give a whole number from 1.')
}
