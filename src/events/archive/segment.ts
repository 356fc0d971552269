/** The files of an archive: what they are called, and what of the last one may be believed after a crash. */
import type { FileHandle } from 'node:fs/promises'
import { eventOf } from './line.ts'

/** `<app>-<when it was begun>-<random>.jsonl`: no two have the same name, wherever they were made. */
export function segmentName(app: string, now: number, random: string): string {
  return `${app}-${new Date(now).toISOString().replaceAll(/[-:.]/g, '')}-${random}.jsonl`
}

/** Bytes of the file up to the end of its last whole line: a crash may have torn what follows. */
export async function wholeLines(file: FileHandle): Promise<number> {
  const { size } = await file.stat()
  let end = (await lastNewline(file, size)) + 1
  // What was written and never synced may be anything, also something that ends like a line.
  while (end > 0) {
    const start = (await lastNewline(file, end - 1)) + 1
    if (eventOf((await bytesOf(file, start, end)).toString('utf8'))) return end
    end = start
  }
  return 0
}

const NEWLINE = 10
const CHUNK = 64 * 1024

/** Place of the last newline before `end`, or -1. */
async function lastNewline(file: FileHandle, end: number): Promise<number> {
  for (let to = end; to > 0; to -= CHUNK) {
    const from = Math.max(0, to - CHUNK)
    const found = (await bytesOf(file, from, to)).lastIndexOf(NEWLINE)
    if (found >= 0) return from + found
  }
  return -1
}

async function bytesOf(file: FileHandle, from: number, to: number): Promise<Buffer> {
  const buffer = Buffer.alloc(to - from)
  const { bytesRead } = await file.read(buffer, 0, buffer.length, from)
  return buffer.subarray(0, bytesRead)
}
