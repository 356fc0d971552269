/** How far a long command is: one line on a terminal that is written over, nothing where nobody looks. */

/** On standard error, so that what a command prints stays what it prints. */
export class ProgressLine {
  readonly #out: NodeJS.WriteStream
  #shown = false
  #shownAt = Number.NEGATIVE_INFINITY

  constructor(out: NodeJS.WriteStream = process.stderr) {
    this.#out = out
  }

  show(text: string): void {
    const now = performance.now()
    if (!this.#out.isTTY || now - this.#shownAt < EVERY_MS) return
    this.#shownAt = now
    this.#shown = true
    this.#out.write(`\r\x1b[K${text.slice(0, (this.#out.columns || 80) - 1)}`)
  }

  clear(): void {
    if (this.#shown) this.#out.write('\r\x1b[K')
    this.#shown = false
  }
}

const EVERY_MS = 100

/** `writing 12 %, 3400 events` */
export function progressText({ phase, part, events }: { phase: string; part?: number; events?: number }): string {
  const facts = [
    part === undefined ? undefined : `${Math.floor(part * 100)} %`,
    events === undefined ? undefined : counted(events, 'event'),
  ].filter((fact) => fact !== undefined)
  return facts.length === 0 ? phase : `${phase} ${facts.join(', ')}`
}

export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
