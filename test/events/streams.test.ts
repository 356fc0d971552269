/** Stream names: every key has one name, no two keys share one, and a prefix selects a kind. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  appOf,
  auditStream,
  NO_KEY,
  parsePosition,
  parseStream,
  STREAM_KINDS,
  streamName,
  streamPrefix,
} from '../../src/events/index.ts'

describe('a stream name', () => {
  it.each([
    ['plain', '0192-abc', 'jobs.task-0192-abc'],
    ['what separates its parts', 'orders:user:7', 'jobs.task-orders:user:7'],
    ['white space and slashes', 'a b/c', 'jobs.task-a%20b%2Fc'],
    ['a percent sign', '100%', 'jobs.task-100%25'],
    ['unicode', 'é🦄', 'jobs.task-%C3%A9%F0%9F%A6%84'],
    ['half a character', '\ud83e', 'jobs.task-%EF%BF%BD'],
  ])('has the key percent-encoded: %s', (_, key, expected) => {
    expect(streamName('jobs', 'task', key)).toBe(expected)
  })

  it('is bounded, and still one name for one key', () => {
    const [a, b] = ['a'.repeat(500), `${'a'.repeat(499)}b`]
    expect(streamName('jobs', 'lock', a)).toMatch(/^jobs\.lock-sha256:[0-9a-f]{64}$/)
    expect(streamName('jobs', 'lock', a)).toBe(streamName('jobs', 'lock', a))
    expect(streamName('jobs', 'lock', a)).not.toBe(streamName('jobs', 'lock', b))
    expect(streamName('jobs', 'lock', 'a'.repeat(200))).toBe(`jobs.lock-${'a'.repeat(200)}`)
  })

  it('starts with its prefix, says its kind, and differs for different keys', () => {
    const key = fc.string({ unit: 'grapheme', maxLength: 60 })
    fc.assert(
      fc.property(key, key, fc.constantFrom(...STREAM_KINDS.filter((kind) => kind !== 'audit')), (one, other, kind) => {
        const name = streamName('jobs', kind, one)
        expect(name.startsWith(streamPrefix('jobs', kind))).toBe(true)
        expect(parseStream('jobs', name)?.kind).toBe(kind)
        expect(streamName('jobs', kind, other) === name).toBe(one === other)
      }),
    )
  })

  it('of what is done to the log has no key', () => {
    expect(streamName('jobs', 'audit', NO_KEY)).toBe('jobs.audit')
    expect(auditStream('jobs')).toBe('jobs.audit')
    expect(streamPrefix('jobs', 'audit')).toBe('jobs.audit')
    expect(parseStream('jobs', 'jobs.audit')).toEqual({ kind: 'audit', key: NO_KEY })
  })

  it('tells the app', () => {
    expect(appOf('jobs.task-a.b')).toBe('jobs')
    expect(appOf('jobs.audit')).toBe('jobs')
  })

  it.each(['other.task-1', 'jobs.task', 'jobs.unknown-1', 'jobsx.task-1', 'jobs.audit-1', 'jobs.auditor', ''])(
    'is not one of the app: %j',
    (name) => {
      expect(parseStream('jobs', name)).toBeUndefined()
    },
  )
})

describe('a position', () => {
  it('is a string on the wire and back', () => {
    expect(parsePosition('9007199254740993').toString()).toBe('9007199254740993')
    expect(parsePosition('-1')).toBe(-1n)
  })

  it.each(['', 'abc', '1.5', '0x10', ' 1', '1e3', '12345678901234567890'])('is not %j', (text) => {
    expect(() => parsePosition(text)).toThrow(TypeError)
  })
})
