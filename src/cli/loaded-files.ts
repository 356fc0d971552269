/**
 * The files that an app was loaded from, and whether one has changed since. The server that loads them tells of them, the
 * process that watches looks at them again and again: where files are mounted into a container, or a folder is deleted and
 * made again, the system tells of no change.
 */
import { statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** The file descriptor at which a server tells of its files, a line each. */
export const FILES_FD = 3

const LOOK_EVERY_MS = 150

export interface LoadedFile {
  readonly file: string
  /** What it was like before it was read. */
  readonly stamp: string
}

/** What changes whenever a file is saved, put in its place, or deleted. */
export function stampOf(file: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(file)
    return `${ino} ${size} ${mtimeMs}`
  } catch {
    return 'not there'
  }
}

export function lineOf({ file, stamp }: LoadedFile): string {
  return `${stamp}\t${file}\n`
}

/** @returns undefined for what is no such line: code of the app may write there, too */
export function ofLine(line: string): LoadedFile | undefined {
  const [stamp, ...file] = line.split('\t')
  return stamp === undefined || file.length === 0 ? undefined : { stamp, file: file.join('\t') }
}

export class LoadedFiles {
  readonly #stamps = new Map<string, string>()

  add({ file, stamp }: LoadedFile): void {
    this.#stamps.set(file, stamp)
  }

  /** Before a start: what changed until now is in it. One that fails may not come to tell of a file that would mend it. */
  renew(): void {
    for (const file of this.#stamps.keys()) this.#stamps.set(file, stampOf(file))
  }

  /** Resolves with a file that has changed once none changes any more: many that are saved together are one change. */
  async changed(): Promise<string> {
    let before = ''
    for (;;) {
      await sleep(LOOK_EVERY_MS)
      const changed = this.#changed()
      const now = JSON.stringify(changed)
      const [first] = changed
      if (first && now === before) return first.file
      before = now
    }
  }

  #changed(): LoadedFile[] {
    return [...this.#stamps].flatMap(([file, before]) => {
      const stamp = stampOf(file)
      return stamp === before ? [] : [{ file, stamp }]
    })
  }
}
