/** What the audit stream takes: that a stream went, once, and never of one that has grown since its copy was made. */
import { describe, expect, test } from 'vitest'
import { type AuditCommand, auditKind, REMEMBERED_RETIRED } from '../../src/actors/index.ts'
import type { AuditFact, RetiredStream } from '../../src/events/index.ts'
import { type Past, replayed, spec } from './given.ts'

const { given } = spec<AuditFact, AuditCommand, Parameters<typeof auditKind.evolve>[0]>(auditKind)

function stream(name: string, lastRevision = 3): RetiredStream {
  const hash = 'a'.repeat(64)
  return {
    stream: `demo.${name}`,
    lastRevision,
    lastHash: hash,
    events: lastRevision + 1,
    archive: { file: 'demo-1.jsonl', offset: 0, bytes: 10, sha256: hash },
  }
}

const retired = (name: string, lastRevision = 3): Past<AuditFact> => ({
  type: 'StreamRetired',
  data: stream(name, lastRevision),
})

describe('retiring streams', () => {
  test('records each of them', () => {
    given()
      .when({ type: 'retire', streams: [stream('task-a'), stream('session-b', 8)] })
      .records(retired('task-a'), retired('session-b', 8))
  })

  test('records none twice: another node was first', () => {
    given(retired('task-a'))
      .when({ type: 'retire', streams: [stream('task-a')] })
      .nothing()
    given(retired('task-a'))
      .when({ type: 'retire', streams: [stream('task-a'), stream('task-b')] })
      .records(retired('task-b'))
  })

  test('records one again that has more events than were retired', () => {
    given(retired('task-a', 3))
      .when({ type: 'retire', streams: [stream('task-a', 4)] })
      .records(retired('task-a', 4))
    given(retired('task-a', 4), retired('task-a', 3))
      .when({ type: 'retire', streams: [stream('task-a', 4)] })
      .nothing()
  })

  test('of nothing is nothing', () => {
    given().when({ type: 'retire', streams: [] }).nothing()
  })
})

test('what is remembered of streams that went is bounded, and is the latest', () => {
  const facts = Array.from({ length: REMEMBERED_RETIRED + 5 }, (_, i) => retired(`task-${i}`))
  const { retired: remembered } = replayed(auditKind, facts).context
  expect(remembered).toHaveLength(REMEMBERED_RETIRED)
  expect(remembered.at(-1)?.stream).toBe(`demo.task-${REMEMBERED_RETIRED + 4}`)
})
