/** The option `process` of a task. */
import { checkOptions } from '../unchecked.ts'

const UNITS: Readonly<Record<string, number>> = { mb: 1024 ** 2, mib: 1024 ** 2, gb: 1024 ** 3, gib: 1024 ** 3 }
const SIZE = /^\s*(\d+(?:\.\d+)?)\s*(mb|mib|gb|gib)\s*$/i
/** Node itself and the app's imports need about half of it. */
const LEAST_BYTES = 128 * 1024 ** 2

/** @throws TypeError that shows how to write it */
export function processOf(
  task: string,
  option: boolean | { readonly memory?: string } | undefined,
): { readonly memoryBytes: number | undefined } | undefined {
  if (!option) return undefined
  if (option !== true) checkOptions(`task ${task}: process`, option, { memory: true })
  if (option === true || option.memory === undefined) return { memoryBytes: undefined }
  const [, amount, unit = ''] = SIZE.exec(option.memory) ?? []
  const memoryBytes = Math.floor(Number(amount) * (UNITS[unit.toLowerCase()] ?? Number.NaN))
  if (memoryBytes >= LEAST_BYTES) return { memoryBytes }
  throw new TypeError(`task ${task}: process.memory is "${option.memory}", it must be at least 128mb: '256mb', '2gb'.`)
}
