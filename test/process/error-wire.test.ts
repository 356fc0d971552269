/** Errors that cross to and from a task's process. */
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import * as actors from '../../src/actors/index.ts'
import { StoreUnavailable } from '../../src/events/index.ts'
import { APP_ERRORS, knowErrors, reviveError, wireError } from '../../src/execution/process/error-wire.ts'
import * as capsule from '../../src/index.ts'

const cross = (error: unknown) => reviveError(structuredClone(wireError(error)))

/** Those that an app can import and be thrown. */
const classes = errorClassesOf(capsule)

function errorClassesOf(module: Readonly<Record<string, unknown>>) {
  return Object.entries(module).filter(
    (entry): entry is [string, new (...args: never[]) => Error] =>
      typeof entry[1] === 'function' && entry[1].prototype instanceof Error,
  )
}

describe('an error from another process', () => {
  it('has its class, message, stack, facts and cause', () => {
    const error = new capsule.LockHeldError('report:daily', 'task-1')
    error.cause = new RangeError('too far', { cause: 'somebody' })
    const crossed = cross(error)
    expect(crossed).toBeInstanceOf(capsule.LockHeldError)
    expect(crossed).toMatchObject({
      name: 'LockHeldError',
      message: error.message,
      stack: error.stack,
      code: 'lock-held',
      key: 'report:daily',
      holder: 'task-1',
    })
    expect(crossed.cause).toBeInstanceOf(RangeError)
    expect(crossed.cause).toMatchObject({ message: 'too far', cause: { message: 'somebody' } })
  })

  // By that an attempt is interrupted, which else would have failed.
  it('that says that the log is away is known by it', () => {
    const crossed = cross(new StoreUnavailable('gone', { retryable: true }))
    expect(crossed).toBeInstanceOf(StoreUnavailable)
    expect(crossed).toMatchObject({ message: 'gone', retryable: true })
  })

  it('of a class that this side does not know keeps its name and facts, but for what cannot cross', () => {
    class Strange extends Error {
      override readonly name = 'Strange'
      readonly answer = 42
      readonly callback = () => {}
    }
    const crossed = cross(new Strange('odd'))
    expect({ ...crossed, name: crossed.name, message: crossed.message }).toEqual({
      name: 'Strange',
      message: 'odd',
      answer: 42,
    })
    expect(crossed).toBeInstanceOf(Error)
  })

  it('is an Error even if something else was thrown', () => {
    expect(cross('just text')).toMatchObject({ name: 'NonError', message: 'just text' })
    const circular = new Error('round')
    circular.cause = circular
    expect(cross(circular).message).toBe('round')
  })

  it('crosses however little of it can be read', () => {
    const refuse = () => {
      throw new Error('not yours to read')
    }
    const unreadable = Object.defineProperties(new Error('x'), {
      name: { value: () => {} },
      message: { get: refuse },
      stack: { get: refuse },
      cause: { get: refuse },
      code: { get: refuse, enumerable: true },
    })
    expect(cross(unreadable)).toMatchObject({ message: 'cannot be read' })
    expect(cross(Object.create(null))).toMatchObject({ name: 'NonError', message: '{}' })
  })

  it('is of a class that an app can import, and docs/errors.md lists those', async () => {
    const names = classes.map(([name]) => name).sort()
    expect([...APP_ERRORS.map(({ name }) => name), 'TaskFailed'].sort()).toEqual(names)
    const docs = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8')
    const listed = docs.match(/classes from `capsule-actors`: ([^.]+)\./)?.[1] ?? ''
    expect([...listed.matchAll(/`(\w+)`/g)].map(([, name]) => name).sort()).toEqual(names)
  })

  it('is of any class of the actors, but for what is wrong with the log itself', () => {
    const withheld = ['CapsuleError', 'Refusal', 'HistoryCorrupt', 'WrittenByNewerCode']
    const names = errorClassesOf(actors).map(([name]) => name)
    expect(names.filter((name) => !withheld.includes(name) && !(name in capsule))).toEqual([])
  })

  it('that refuses a command is known for a refusal, and no other is', () => {
    const refusals = classes.filter(([, ErrorClass]) => actors.isRefusal(cross(Object.create(ErrorClass.prototype))))
    expect(refusals.map(([name]) => name)).toEqual(['AttemptFenced', 'CommandRefused'])
  })

  it.each(classes)('%s arrives as itself', (name, ErrorClass) => {
    knowErrors(capsule.TaskFailed)
    const error: unknown = Object.create(ErrorClass.prototype, {
      name: { value: name },
      message: { value: 'a message' },
    })
    expect(cross(error)).toBeInstanceOf(ErrorClass)
  })
})
