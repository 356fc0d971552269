/** What a person at a terminal, and a script, are told while read models are made again. */
import { describe, expect, it } from 'vitest'
import { RebuildProgress } from '../../src/cli/rebuild-progress.ts'
import type { ReadModelWire } from '../../src/http/index.ts'

function model(name: string, rebuild: { position: number; until: number; events: number } | null): ReadModelWire {
  return {
    name,
    version: 1,
    position: '99',
    rebuilding: rebuild !== null,
    rebuild: rebuild && { position: `${rebuild.position}`, until: `${rebuild.until}`, events: rebuild.events },
    rebuild_failed: null,
  }
}

describe('the progress of a rebuild', () => {
  it('is of the one that is furthest behind: how far, of how many, how fast, and how long it takes yet', () => {
    const progress = new RebuildProgress()
    const owed = model('owed', { position: 899, until: 999, events: 900 })
    expect(progress.text([owed, model('jobs', { position: 99, until: 999, events: 100 })], 1000)).toBe(
      'jobs 10 %, 100 events of 1000',
    )
    expect(progress.text([owed, model('jobs', { position: 499, until: 999, events: 500 })], 3000)).toBe(
      'jobs 50 %, 500 events of 1000, 200 a second, 3 s left',
    )
    expect(progress.text([model('jobs', null)], 4000)).toBe('catching up with the log')
  })

  it('does not make up a total where positions do not count events', () => {
    const text = new RebuildProgress().text([model('jobs', { position: 4_000, until: 16_000, events: 20 })], 0)
    expect(text).toBe('jobs 25 %, 20 events')
  })

  it('is a line for a script only when something has changed', () => {
    const progress = new RebuildProgress()
    const jobs = model('jobs', { position: 0, until: 9, events: 1 })
    const owed = model('owed', null)
    expect(progress.changed([jobs, owed])).toEqual([jobs, owed])
    expect(progress.changed([jobs, owed])).toEqual([])
    const done = model('jobs', null)
    expect(progress.changed([done, owed])).toEqual([done])
  })
})
