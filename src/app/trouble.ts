/**
 * What goes wrong beside any call, for whoever reads stderr at night: an error of the registry in one line, since its
 * message says what to do, any other with its stack. The same trouble is told once, then counted, a line a minute.
 */
import { CapsuleError, type Report } from '../actors/index.ts'
import { StoreError } from '../events/index.ts'
import { fieldOf, isError, printed } from '../execution/index.ts'
import { ProjectionError } from '../projections/index.ts'

const WINDOW_MS = 60_000

interface Repeats {
  times: number
  /** What was being done when it last came. */
  doing: string
  last: Date
}

/** @returns a `report` of startApp that writes whole lines */
export function tellTrouble(write: (line: string) => void): Report {
  // By what is told: one cause, a server that is away, say, holds up many things at once.
  const told = new Map<string, Repeats>()

  function countAgain(text: string, doing: string): void {
    const repeats: Repeats = { times: 0, doing, last: new Date() }
    told.set(text, repeats)
    // By the machine's time, whatever clock the app has; and no process waits for it.
    setTimeout(() => {
      told.delete(text)
      if (repeats.times === 0) return
      const often = repeats.times === 1 ? 'once' : `${repeats.times} times`
      write(`capsule: ${repeats.doing}: again ${often}, last at ${repeats.last.toISOString()}: ${firstLine(text)}\n`)
      countAgain(text, repeats.doing)
    }, WINDOW_MS).unref()
  }

  return (error, doing) => {
    const text = textOf(error)
    const repeats = told.get(text)
    if (!repeats) {
      write(`capsule: ${doing}: ${text}\n`)
      return countAgain(text, doing)
    }
    repeats.times++
    repeats.doing = doing
    repeats.last = new Date()
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}

function textOf(error: unknown): string {
  if (!isError(error)) return printed(error)
  const saysWhatToDo = error instanceof CapsuleError || error instanceof StoreError || error instanceof ProjectionError
  return saysWhatToDo ? error.message : printed(fieldOf(error, 'stack') ?? fieldOf(error, 'message'))
}
