import { describe, expect, test } from 'vitest'
import {
  CommandRefused,
  occurrenceTaskId,
  type ScheduleCommand,
  type ScheduleContext,
  scheduleKind,
} from '../../src/actors/index.ts'
import type { ScheduleDefinition, ScheduleFact } from '../../src/events/index.ts'
import { at, type Past, spec } from './given.ts'

const { given } = spec<ScheduleFact, ScheduleCommand, ScheduleContext>(scheduleKind)

type Given = Past<ScheduleFact>

const definition: ScheduleDefinition = { cron: '* * * * *', timezone: 'UTC', overlap: 'skip', missed: 'latest' }
const minute = (n: number) => at(n * 60_000)
const registered = (changes: Partial<ScheduleDefinition> = {}): Given => ({
  type: 'ScheduleRegistered',
  data: { name: 'digest', ...definition, ...changes },
})
const due = (n: number, more: { taskId?: string; trigger?: 'cron' | 'caught-up' | 'manual' } = {}): Given => ({
  type: 'OccurrenceDue',
  data: {
    due: minute(n),
    taskId: more.taskId ?? occurrenceTaskId('digest', minute(n)),
    trigger: more.trigger ?? 'cron',
  },
})
const finished = (n: number): Given => ({
  type: 'OccurrenceFinished',
  data: { due: minute(n), taskId: occurrenceTaskId('digest', minute(n)), status: 'completed' },
})
const skipped = (n: number, reason: 'overlap' | 'missed' | 'paused'): Given => ({
  type: 'OccurrenceSkipped',
  data: { due: minute(n), reason },
})
const paused: Given = { type: 'SchedulePaused', data: {} }
const removed: Given = { type: 'ScheduleRemoved', data: {} }
const tick = (n: number, trigger: 'cron' | 'caught-up' = 'cron'): ScheduleCommand => ({
  type: 'tick',
  name: 'digest',
  due: minute(n),
  trigger,
})
const register = (changes: Partial<ScheduleDefinition> = {}): ScheduleCommand => ({
  type: 'register',
  name: 'digest',
  definition: { ...definition, ...changes },
})

describe('a definition', () => {
  test('is registered once', () => {
    const state = given().when(register()).records(registered())
    expect(state).toMatchObject({ value: 'active', context: { definition, registeredAt: at(0) } })
    given(registered()).when(register()).nothing()
  })

  test('that changed is recorded, and its past is not made up for', () => {
    const change: Given = {
      type: 'ScheduleChanged',
      at: 90_000,
      data: { name: 'digest', ...definition, cron: '0 * * * *' },
    }
    given(registered())
      .when(register({ cron: '0 * * * *' }))
      .recordsA('ScheduleChanged')
    const { context } = given(registered(), due(1), change).state
    expect(context).toMatchObject({ definition: { cron: '0 * * * *' }, registeredAt: at(90_000), lastDue: minute(1) })
  })

  test('of which another thing than the cron changed is still due when it was', () => {
    for (const changed of [{ description: 'for people' }, { overlap: 'queue' }, { missed: 'all' }] as const) {
      const change: Given = {
        type: 'ScheduleChanged',
        at: 150_000,
        data: { name: 'digest', ...definition, ...changed },
      }
      const { context } = given(registered(), due(1), change).state
      expect(context).toMatchObject({ definition: changed, registeredAt: at(0), lastDue: minute(1) })
    }
    const elsewhere: Given = {
      type: 'ScheduleChanged',
      at: 150_000,
      data: { name: 'digest', ...definition, timezone: 'Europe/Berlin' },
    }
    expect(given(registered(), elsewhere).state.context.registeredAt).toBe(at(150_000))
  })

  test('that was removed may come back', () => {
    given(registered(), removed).when(register()).recordsA('ScheduleRegistered')
  })

  test('stays paused when it changes', () => {
    const state = given(registered(), paused)
      .when(register({ cron: '0 * * * *' }))
      .recordsA('ScheduleChanged')
    expect(state.value).toBe('paused')
  })
})

describe('a due time', () => {
  test('is decided once, for a task whose id derives from it', () => {
    given(registered()).when(tick(1)).records(due(1))
    given(registered(), due(1)).when(tick(1)).nothing()
    given(registered(), skipped(1, 'missed')).when(tick(1)).nothing()
  })

  test('not after the last decided one is refused, whichever node asks', () => {
    given(registered(), due(3)).when(tick(2)).nothing()
    given(registered(), due(3))
      .when({ type: 'miss', due: minute(2) })
      .nothing()
  })

  test('has the same task on every node, and another for another schedule or time', () => {
    const ids = [
      ['digest', minute(1)],
      ['digest', minute(2)],
      ['other', minute(1)],
    ] as const
    expect(new Set(ids.map(([name, time]) => occurrenceTaskId(name, time))).size).toBe(3)
    expect(occurrenceTaskId('digest', minute(1))).toBe(occurrenceTaskId('digest', minute(1)))
  })

  test("while one still runs is skipped with overlap 'skip', and says which", () => {
    given(registered(), due(1))
      .when(tick(2))
      .records({
        type: 'OccurrenceSkipped',
        data: {
          due: minute(2),
          reason: 'overlap',
          detail: `The occurrence of ${minute(1)} still runs as task ${occurrenceTaskId('digest', minute(1))}.`,
        },
      })
    given(registered(), due(1), finished(1)).when(tick(2)).records(due(2))
  })

  test.each(['queue', 'parallel'] as const)("while one still runs is due all the same with overlap '%s'", (overlap) => {
    const state = given(registered({ overlap }), due(1)).when(tick(2)).records(due(2))
    expect(state.context.running).toHaveLength(2)
  })

  test('while paused is skipped', () => {
    const state = given(registered(), paused).when(tick(1)).records(skipped(1, 'paused'))
    expect(state.context.lastDue).toBe(minute(1))
  })

  test('that was missed is recorded as such; one made up for says so', () => {
    given(registered())
      .when({ type: 'miss', due: minute(1) })
      .records(skipped(1, 'missed'))
    given(registered())
      .when(tick(1, 'caught-up'))
      .records(due(1, { trigger: 'caught-up' }))
  })
})

describe('an occurrence asked for by hand', () => {
  test('runs beside the cron, and decides none of its due times', () => {
    const state = given(registered(), due(1))
      .when({ type: 'trigger', name: 'digest' }, { now: 90_000 })
      .records({ type: 'OccurrenceDue', data: { due: at(90_000), taskId: 'new0', trigger: 'manual' } })
    expect(state.context.lastDue).toBe(minute(1))
  })

  test('may be asked for while paused', () => {
    given(registered(), paused).when({ type: 'trigger', name: 'digest' }).recordsA('OccurrenceDue')
  })
})

describe('finish', () => {
  const finish: ScheduleCommand = {
    type: 'finish',
    due: minute(1),
    taskId: occurrenceTaskId('digest', minute(1)),
    status: 'completed',
  }

  test('is recorded once, and also when the schedule has been paused or removed meanwhile', () => {
    for (const after of [[], [paused], [removed]]) {
      const state = given(registered(), due(1), ...after)
        .when(finish)
        .records(finished(1))
      expect(state.context.running).toEqual([])
    }
    given(registered(), due(1), finished(1)).when(finish).nothing()
  })
})

describe('pause, resume, remove', () => {
  test('pause and resume once each', () => {
    given(registered())
      .when({ type: 'pause', reason: 'holiday' })
      .records({ type: 'SchedulePaused', data: { reason: 'holiday' } })
    given(registered(), paused).when({ type: 'pause' }).nothing()
    expect(given(registered(), paused).when({ type: 'resume' }).recordsA('ScheduleResumed').value).toBe('active')
    given(registered()).when({ type: 'resume' }).nothing()
  })

  test('remove ends it, paused or not', () => {
    expect(given(registered()).when({ type: 'remove' }).recordsA('ScheduleRemoved').value).toBe('removed')
    expect(given(registered(), paused).when({ type: 'remove' }).recordsA('ScheduleRemoved').value).toBe('removed')
  })

  test.each<ScheduleCommand>([
    tick(1),
    { type: 'miss', due: minute(1) },
    { type: 'trigger', name: 'digest' },
    { type: 'pause' },
    { type: 'resume' },
    { type: 'remove' },
  ])('%j of what is not declared is refused', (command) => {
    given()
      .when(command)
      .refused(CommandRefused, /does not declare it/)
    given(registered(), removed)
      .when(command)
      .refused(CommandRefused, /does not declare it/)
  })
})
