/**
 * What a handler's process prints, as lines of its task's log: batched, each cut at a length, no more than so many. What
 * is beyond that is counted, and the count is the last line.
 */
import { StringDecoder } from 'node:string_decoder'

export type OutputLevel = 'info' | 'warn'

/** Records one entry of the log. */
export type WriteLog = (level: OutputLevel, message: string) => Promise<void>

export const MOST_ENTRIES = 200
export const LONGEST_LINE = 8_000
/** An entry holds the lines of so long a time, up to the length of one line. */
const BATCH_MS = 200

interface Entry {
  readonly level: OutputLevel
  text: string
}

export class OutputLog {
  readonly #write: WriteLog
  readonly #streams: Readonly<Record<OutputLevel, { readonly decoder: StringDecoder; rest: string }>>
  readonly #entries: Entry[] = []
  #written = 0
  #dropped = 0
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(write: WriteLog) {
    this.#write = write
    this.#streams = {
      info: { decoder: new StringDecoder('utf8'), rest: '' },
      warn: { decoder: new StringDecoder('utf8'), rest: '' },
    }
  }

  take(level: OutputLevel, chunk: Buffer): void {
    const stream = this.#streams[level]
    const lines = (stream.rest + stream.decoder.write(chunk)).split('\n')
    // A line without an end is not kept beyond what will be shown of it.
    stream.rest = (lines.pop() ?? '').slice(0, LONGEST_LINE + 1)
    for (const line of lines) this.#add(level, line)
    this.#timer ??= setTimeout(() => this.flush(), BATCH_MS)
  }

  /** Begins to record what is complete; nothing waits for it. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const { level, text } of this.#entries.splice(0)) {
      this.#written++
      this.#record(level, text)
    }
  }

  /** Records what is left. Resolves when all is recorded; never rejects. */
  async end(): Promise<void> {
    for (const level of ['info', 'warn'] as const) {
      const { rest, decoder } = this.#streams[level]
      this.#streams[level].rest = ''
      const last = rest + decoder.end()
      if (last !== '') this.#add(level, last)
    }
    this.flush()
    if (this.#dropped > 0) {
      this.#record(
        'warn',
        `${this.#dropped} more lines were printed; a task's log keeps ${MOST_ENTRIES} entries of them.`,
      )
    }
    await this.#writing
  }

  #add(level: OutputLevel, line: string): void {
    const text = line.length <= LONGEST_LINE ? line : `${line.slice(0, LONGEST_LINE)}… (cut)`
    const last = this.#entries.at(-1)
    if (last?.level === level && last.text.length + text.length < LONGEST_LINE) last.text += `\n${text}`
    else if (this.#written + this.#entries.length < MOST_ENTRIES) this.#entries.push({ level, text })
    else this.#dropped++
  }

  #record(level: OutputLevel, text: string): void {
    // An attempt that may no longer write ends anyway, and says why.
    this.#writing = this.#writing.then(() => this.#write(level, text)).catch(() => {})
  }
}
