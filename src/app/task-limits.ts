/** The options of a task that say how many of it may run or start, over all nodes. */
import { checkRate } from '../actors/index.ts'
import type { TaskLimits } from '../execution/index.ts'
import { type Duration, parseDuration } from './duration.ts'
import type { InputRules } from './input.ts'
import { keyOf } from './keys.ts'
import type { TaskOptions } from './task.ts'
import { atLeastOne, checkOptions, fromOne, type Names } from './unchecked.ts'

const KEY: Names<NonNullable<TaskOptions['concurrencyKey']>> = { key: true, limit: true }
const RATE: Names<NonNullable<TaskOptions['rateLimit']>> = { limit: true, per: true }

/** @throws TypeError for limits that let nothing run, or cannot be held */
export function limitsOf(task: InputRules, options: TaskOptions): TaskLimits | undefined {
  const { name } = task
  const { concurrencyKey, rateLimit } = options
  if (concurrencyKey !== undefined) checkOptions(`task ${name}: concurrencyKey`, concurrencyKey, KEY)
  if (rateLimit !== undefined) checkOptions(`task ${name}: rateLimit`, rateLimit, RATE)
  const concurrency = atLeastOne(`task ${name}: concurrency`, options.concurrency)
  if (concurrency === undefined && concurrencyKey === undefined && rateLimit === undefined) return undefined
  return {
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(concurrencyKey === undefined
      ? {}
      : {
          key: {
            of: keyOf(task, 'concurrencyKey', concurrencyKey.key),
            limit: fromOne(`task ${name}: concurrencyKey.limit`, concurrencyKey.limit),
          },
        }),
    ...(rateLimit === undefined ? {} : { rate: rateOf(name, rateLimit) }),
  }
}

function rateOf(task: string, { limit, per }: { readonly limit: number; readonly per: Duration }) {
  const starts = fromOne(`task ${task}: rateLimit.limit`, limit)
  return checkRate(`task ${task}: rateLimit`, { limit: starts, perMs: parseDuration(per, 'rateLimit.per') })
}
