/** Which rates a limit can keep. */
import type { LimitRules } from './decide.ts'
import { MOST_PER_WINDOW } from './machine.ts'

type Rate = NonNullable<LimitRules['rate']>

/**
 * Its state remembers when the latest permits were taken, and no more of them than {@link MOST_PER_WINDOW}.
 * @throws TypeError for a rate that could not be held, which `what` names
 */
export function checkRate(what: string, rate: Rate): Rate {
  const { limit, perMs } = rate
  if (limit >= 1 && limit <= MOST_PER_WINDOW && perMs >= 1) return rate
  throw new TypeError(
    `${what} is ${limit} in ${perMs} ms. Allow 1 to ${MOST_PER_WINDOW} starts in a window of at least 1 ms; for more, take a shorter window.`,
  )
}
