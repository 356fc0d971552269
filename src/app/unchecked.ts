/**
 * Node runs an app's types unchecked: what they would refuse is refused here, where it would be left undone in silence.
 */
import { types } from 'node:util'
import { printed } from '../execution/index.ts'

/** The options of a thing by name; the compiler holds the list against their type. */
export type Names<Options> = Readonly<Record<keyof Options, true>>

/** @throws TypeError naming an option that there is not, or saying that these are no options */
export function checkOptions(what: string, options: object, known: Readonly<Record<string, true>>): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`${what}: its options are ${options}. Give an object of ${Object.keys(known).join(', ')}.`)
  }
  for (const option of Object.keys(options)) {
    if (Object.hasOwn(known, option)) continue
    throw new TypeError(`${what}: there is no option "${option}". Use ${Object.keys(known).join(', ')}.`)
  }
}

/** @throws TypeError for what is no function, or a generator, of which a call runs nothing */
export function checkHandler(what: string, handler: unknown): void {
  if (typeof handler !== 'function') throw new TypeError(`${what}: the handler is no function.`)
  if (!types.isGeneratorFunction(handler)) return
  throw new TypeError(
    `${what}: the handler is a generator (function*), and nothing would run it. Use an async function; what it has to say on ` +
      'its way goes to progress(), log() or session.streamReply().',
  )
}

const NAME = /^[a-zA-Z0-9_-]{1,100}$/

/** A name stands in addresses and in the names of streams. @throws TypeError */
export function validateName(kind: 'task' | 'schedule', name: string): void {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new TypeError(
      `The ${kind} name "${name}" is not URL-safe: use letters, digits, _ and -, at most 100 characters.`,
    )
  }
}

/**
 * Holds an option against the values it has: Node runs an app's types unchecked, and the log would keep any text.
 * @throws TypeError that lists them
 */
export function oneOf<T extends string>(what: string, value: T, known: readonly T[]): T {
  if (known.includes(value)) return value
  throw new TypeError(`${what} is ${JSON.stringify(value)}. Use one of: ${known.join(', ')}.`)
}

/** @throws TypeError unless it is a list of text */
export function listOfText(what: string, value: readonly string[]): readonly string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  throw new TypeError(`${what} is ${printed(value)}, it must be a list of text.`)
}

/** @throws TypeError unless it is a whole number from 1 */
export function fromOne(what: string, value: number): number {
  if (Number.isInteger(value) && value >= 1) return value
  throw new TypeError(`${what} is ${value}, it must be a whole number from 1.`)
}

/** @throws TypeError unless it is a whole number from 1, or left out */
export function atLeastOne(what: string, value: number | undefined): number | undefined {
  return value === undefined ? undefined : fromOne(what, value)
}
