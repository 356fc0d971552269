/**
 * Writes whole streams to an archive before they go from the log: files of lines that are only ever added to, in a directory
 * that one process writes to at a time. A stream's lines lie together, so that place and hash find and prove them.
 */
import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { RetiredStream } from '../catalogue/index.ts'
import { ChainBroken } from '../copy/errors.ts'
import { ArchiveInUse, ArchiveUnavailable, DataDirectoryInUse } from '../errors.ts'
import type { RecordedEvent } from '../event.ts'
import { publish, writeAll, writeDurably } from '../files.ts'
import { type DirectoryLock, lockDirectory } from '../stores/sqlite/index.ts'
import { ChainVerifier } from '../verify.ts'
import { lineOf } from './line.ts'
import { segmentName, wholeLines } from './segment.ts'

export interface ArchiveOptions {
  /** Where the files are; made when it is not there. */
  readonly directory: string
  readonly app: string
  /** A file that has so many bytes gets no further stream. Default 64 MiB. */
  readonly segmentBytes?: number
  /** Milliseconds since the epoch, for the names of files. Default: Date.now. */
  readonly now?: () => number
}

const SEGMENT_BYTES = 64 * 1024 * 1024

/** @throws ArchiveInUse while another process, or another run of this one, writes to it; ArchiveUnavailable */
export async function openArchive(options: ArchiveOptions): Promise<ArchiveWriter> {
  const { directory } = options
  let lock: DirectoryLock | undefined
  try {
    await mkdir(directory, { recursive: true })
    lock = lockDirectory(directory)
    const writer = new ArchiveWriter(options, lock)
    await writer.resume()
    return writer
  } catch (error) {
    lock?.release()
    if (error instanceof DataDirectoryInUse) throw new ArchiveInUse({ directory, pid: error.pid })
    throw unavailable(directory, error)
  }
}

interface Segment {
  readonly name: string
  readonly handle: FileHandle
  bytes: number
}

export class ArchiveWriter {
  readonly directory: string
  readonly #options: ArchiveOptions
  readonly #lock: DirectoryLock
  #segment: Segment | undefined
  #isSynced = true

  /** Use openArchive. */
  constructor(options: ArchiveOptions, lock: DirectoryLock) {
    this.directory = options.directory
    this.#options = options
    this.#lock = lock
  }

  /** Goes on with the file it has begun last, without what a crash may have torn of it. */
  async resume(): Promise<void> {
    const [name = '', inode] = (await ifThere(readFile(this.#note, 'utf8')))?.trim().split(' ') ?? []
    const handle = inode === undefined ? undefined : await ifThere(open(join(this.directory, name), 'r+'))
    if (!handle) return
    try {
      if (inode !== (await inodeOf(handle))) return await handle.close()
      const bytes = await wholeLines(handle)
      await handle.truncate(bytes)
      await handle.sync()
      this.#segment = { name, handle, bytes }
    } catch (error) {
      await handle.close().catch(() => {})
      throw error
    }
  }

  /**
   * Says which file is this archive's own to go on with. One that was copied to here from the archive of another node goes
   * on there: two files of one name would come of it, and either would be lost where they are put together again.
   */
  get #note(): string {
    return join(this.directory, `${this.#options.app}.current`)
  }

  /**
   * Adds all events of a stream, from its first on. They are durable after the next `sync`.
   * @returns what StreamRetired says of it
   * @throws ChainBroken if the events are not as they were appended; ArchiveUnavailable. Nothing is added then.
   */
  async write(
    stream: string,
    pages: AsyncIterable<readonly RecordedEvent[]> | Iterable<readonly RecordedEvent[]>,
  ): Promise<RetiredStream> {
    const segment = await this.#room()
    const offset = segment.bytes
    const sha256 = createHash('sha256')
    const chain = new ChainVerifier()
    let events = 0
    let at = offset
    this.#isSynced = false
    try {
      for await (const page of pages) {
        for (const event of page) {
          const verdict = chain.check(event)
          if (!verdict.ok) throw new ChainBroken('the log', verdict)
          events++
        }
        const bytes = Buffer.from(page.map(lineOf).join(''), 'utf8')
        sha256.update(bytes)
        await writeAll(segment.handle, bytes, at)
        at += bytes.length
      }
      const lastHash = chain.lastHash(stream)
      if (lastHash === undefined)
        throw new ChainBroken('the log', { ok: false, stream, revision: 0n, reason: 'missing' })
      segment.bytes = at
      const archive = { file: segment.name, offset, bytes: at - offset, sha256: sha256.digest('hex') }
      return { stream, lastRevision: events - 1, lastHash, events, archive }
    } catch (error) {
      await segment.handle.truncate(offset).catch(() => {})
      throw error instanceof ChainBroken || !isOfTheDisk(error) ? error : unavailable(this.directory, error)
    }
  }

  /** What was written is on the disk when this resolves. @throws ArchiveUnavailable */
  async sync(): Promise<void> {
    if (this.#isSynced) return
    try {
      await this.#segment?.handle.sync()
      this.#isSynced = true
    } catch (error) {
      throw unavailable(this.directory, error)
    }
  }

  async close(): Promise<void> {
    await this.#segment?.handle.close()
    this.#segment = undefined
    this.#lock.release()
  }

  async #room(): Promise<Segment> {
    const { app, segmentBytes = SEGMENT_BYTES, now = Date.now } = this.#options
    if (this.#segment && this.#segment.bytes < segmentBytes) return this.#segment
    await this.sync()
    try {
      await this.#segment?.handle.close()
      const name = segmentName(app, now(), randomBytes(3).toString('hex'))
      const handle = await open(join(this.directory, name), 'wx')
      const partial = `${this.#note}.partial`
      await rm(partial, { force: true })
      await writeDurably(partial, `${name} ${await inodeOf(handle)}\n`)
      await publish(partial, this.#note, 'what is there')
      this.#segment = { name, handle, bytes: 0 }
      return this.#segment
    } catch (error) {
      throw unavailable(this.directory, error)
    }
  }
}

async function inodeOf(file: FileHandle): Promise<string> {
  return `${(await file.stat({ bigint: true })).ino}`
}

async function ifThere<T>(opened: Promise<T>): Promise<T | undefined> {
  try {
    return await opened
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function isOfTheDisk(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}

function unavailable(directory: string, cause: unknown): ArchiveUnavailable {
  return new ArchiveUnavailable(directory, cause)
}
