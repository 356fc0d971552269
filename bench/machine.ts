/** How fast the machine is right now: without this no figure can be compared with another day's. */
import { createHash } from 'node:crypto'
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { median, monotonic } from './harness.ts'

export interface Machine {
  readonly node: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  /** Median of a 4 KiB write with fdatasync in the temporary directory, microseconds. */
  readonly fdatasyncUs: number
  /** SHA-256 on one core, MB/s. */
  readonly sha256MBps: number
  /** Runnable processes over the last minute: others' too. */
  readonly load: number
}

export function describeMachine(): Machine {
  return {
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    fdatasyncUs: Math.round(measureSync()),
    sha256MBps: Math.round(measureHash()),
    load: loadavg()[0] ?? Number.NaN,
  }
}

function measureHash(): number {
  const block = Buffer.alloc(65_536, 7)
  const began = monotonic()
  let blocks = 0
  for (; monotonic() - began < 200; blocks++) createHash('sha256').update(block).digest()
  return (blocks * block.length) / 1e3 / (monotonic() - began)
}

function measureSync(): number {
  const file = join(tmpdir(), `capsule-bench-sync-${process.pid}`)
  const page = Buffer.alloc(4096, 7)
  const fd = openSync(file, 'w')
  try {
    const times = Array.from({ length: 200 }, (_, i) => {
      writeSync(fd, page, 0, page.length, i * page.length)
      const began = monotonic()
      fdatasyncSync(fd)
      return (monotonic() - began) * 1000
    })
    return median(times)
  } finally {
    closeSync(fd)
    rmSync(file)
  }
}
