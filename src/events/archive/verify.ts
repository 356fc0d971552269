/** Proves that a stream which went from the log is in an archive: whole, chained, and with the hash that was recorded. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { RetiredStream } from '../catalogue/index.ts'
import type { RecordedEvent, Revision } from '../event.ts'
import { type ChainFault, ChainVerifier } from '../verify.ts'
import { eventOf } from './line.ts'

/** `not-archived`: the file, or the place in it, is not there. `archive-altered`: its bytes are not those that were written. */
export type CopyFault = ChainFault | 'not-archived' | 'archive-altered'

export interface CopyBreak {
  readonly ok: false
  readonly stream: string
  /** Of the event that is not right; undefined when it is the whole copy. */
  readonly revision: Revision | undefined
  readonly reason: CopyFault
  /** The file of the archive. */
  readonly file: string
}

export async function verifyCopy(
  directory: string,
  retired: RetiredStream,
): Promise<{ readonly ok: true } | CopyBreak> {
  const { stream, lastRevision, lastHash } = retired
  const { file, offset, bytes, sha256 } = retired.archive
  const fault = (reason: CopyFault, revision?: Revision): CopyBreak => ({ ok: false, stream, revision, reason, file })
  const path = join(directory, basename(file))
  const size = await stat(path).then(
    (found) => found.size,
    () => -1,
  )
  if (size < offset + bytes) return fault('not-archived')
  const digest = createHash('sha256')
  const chain = new ChainVerifier()
  let next = 0
  let broken: CopyBreak | undefined
  const check = (event: RecordedEvent | undefined): void => {
    if (broken) return
    if (event?.stream !== stream) broken = fault('archive-altered', BigInt(next))
    else {
      const verdict = chain.check(event)
      if (!verdict.ok) broken = fault(verdict.reason, verdict.revision)
    }
    next++
  }
  for await (const line of lines(path, offset, bytes, (chunk) => digest.update(chunk))) check(eventOf(line))
  if (broken) return broken
  if (next !== lastRevision + 1) return fault('missing', BigInt(next))
  if (chain.lastHash(stream) !== lastHash) return fault('altered', BigInt(lastRevision))
  return digest.digest('hex') === sha256 ? { ok: true } : fault('archive-altered')
}

/** The lines of a part of a file, whose end need not be one. */
async function* lines(
  path: string,
  offset: number,
  bytes: number,
  onBytes: (chunk: Buffer) => void,
): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0)
  const stream = createReadStream(path, { start: offset, end: offset + bytes - 1 })
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    onBytes(chunk)
    let text = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10)) {
      yield text.toString('utf8', 0, end)
      text = text.subarray(end + 1)
    }
    rest = text
  }
  if (rest.length > 0) yield rest.toString('utf8')
}
