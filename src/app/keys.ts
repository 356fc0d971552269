/** Keys that are made of a task's input: of its lock, and of its limit for each key. */
import { InvalidInput } from '../actors/index.ts'
import { copyOf, type JsonObject } from '../events/index.ts'
import { printed } from '../execution/index.ts'
import { type InputRules, parseInput } from './input.ts'
import type { KeyOf } from './task.ts'

/**
 * What a function makes of the input as its handler sees it, or a template of the input as it was recorded. The key throws
 * InvalidInput for an input that it cannot be made of, and TypeError where its function returns no text.
 * @throws TypeError for what is neither
 */
export function keyOf(task: InputRules, what: string, key: KeyOf<never>): (params: JsonObject) => string {
  if (typeof key !== 'function' && typeof key !== 'string') {
    throw new TypeError(
      `task ${task.name}: ${what} is ${printed(key)}. Give text, as 'user:{user_id}', or a function of the input that returns text.`,
    )
  }
  const make = typeof key === 'function' ? madeBy(task, key) : filledIn(task, what, key)
  return (params) => {
    const made = textOf(make(params), `The ${what} of task ${task.name}`)
    // It names a stream, and half a character (a surrogate without its other half) has no bytes to name one with.
    if (!made.isWellFormed()) {
      throw new InvalidInput(`The ${what} of task ${task.name} comes to text that is not well-formed Unicode`, [
        { path: '', message: 'half of a character is in it; send whole ones' },
      ])
    }
    return made
  }
}

function madeBy(task: InputRules, key: Extract<KeyOf<never>, (...args: never[]) => unknown>) {
  return (params: JsonObject) => (key as (input: unknown) => unknown)(parseInput(task, copyOf(params)))
}

/** A number will do, as in a template. @throws TypeError */
function textOf(made: unknown, what: string): string {
  if (typeof made === 'string') return made
  if (typeof made === 'number' || typeof made === 'boolean') return String(made)
  throw new TypeError(`${what} comes to ${printed(made)}: let its function return text. It is called with the input.`)
}

function filledIn({ name }: InputRules, what: string, template: string) {
  return (params: JsonObject): string =>
    template.replaceAll(/\{([^{}]+)\}/g, (_, field: string) => {
      const value = params[field]
      if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value)
      throw new InvalidInput(`The ${what} of task ${name} is "${template}"`, [
        { path: field, message: 'must be text, a number or a boolean' },
      ])
    })
}
