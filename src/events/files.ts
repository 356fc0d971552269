/** Files that must be there after a power loss, and never half. */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { type FileHandle, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { StoreUnavailable } from './errors.ts'

/** SHA-256 in hex of what is on the disk. */
export async function hashOf(file: string, onBytes?: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(file, { highWaterMark: CHUNK })) {
    hash.update(chunk)
    bytes += chunk.length
    onBytes?.(bytes)
  }
  return hash.digest('hex')
}

const CHUNK = 1024 * 1024

/** A copy that is on the disk when this resolves. Nothing may be there. @returns SHA-256 in hex of what was read */
export async function copyFile(from: string, to: string, onBytes?: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256')
  let bytes = 0
  await pipeline(
    createReadStream(from, { highWaterMark: CHUNK }),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk)
        bytes += chunk.length
        onBytes?.(bytes)
        yield chunk
      }
    },
    createWriteStream(to, { flags: 'wx', flush: true }),
  )
  return hash.digest('hex')
}

export async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, 'wx')
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** All of the bytes, from `at` on: one write keeps only as many as there is room for, and says nothing. */
export async function writeAll(handle: Pick<FileHandle, 'write'>, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten
  }
}

/** What was written to the file by others is on the disk when this resolves. */
export async function sync(file: string): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Gives a file its name for good; over nothing that is there, unless `over` says so. @throws an error with code EEXIST */
export async function publish(file: string, name: string, over: 'nothing' | 'what is there'): Promise<void> {
  // A rename alone would replace what another has put there meanwhile.
  if (over === 'nothing') await (await open(name, 'wx')).close()
  await rename(file, name)
  await syncDirectory(dirname(name))
}

export async function syncDirectory(directory: string): Promise<void> {
  // Windows opens no directories, and keeps their entries by itself.
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** What the disk says, as an error that says what to do. */
export function diskTrouble(what: string, cause: unknown): StoreUnavailable {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new StoreUnavailable(`${what} (${reason}). Make room, or choose another place.`, { retryable: false, cause })
}
