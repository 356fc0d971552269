import { describe, expect, test } from 'vitest'
import { occurrenceTaskId } from '../../src/actors/index.ts'
import { type CronOptions, currentSession } from '../../src/app/index.ts'
import type { TestApp } from '../../src/testing/index.ts'
import { CountingStore } from '../actors/stores.ts'
import { dataOf, declared, gate, running, storyOf } from './app.ts'

const noop = () => {}
const minute = (n: number) => new Date(Date.parse('2026-01-01T00:00:00Z') + n * 60_000).toISOString()

/** The schedule's decisions: `00:01 due`, `00:02 overlap`. */
async function decisions(t: TestApp, name = 'tick'): Promise<string[]> {
  return (await t.events(`schedule-${name}`)).flatMap(({ type, data }) => {
    const at = String(data.due).slice(11, 16)
    if (type === 'OccurrenceDue') return [`${at} ${data.trigger === 'cron' ? 'due' : data.trigger}`]
    return type === 'OccurrenceSkipped' ? [`${at} ${data.reason}`] : []
  })
}

async function ticking(options: CronOptions, handler: () => unknown = noop) {
  return running((app) => app.schedule('tick', '* * * * *', options, handler))
}

describe('an occurrence', () => {
  // A promise: see docs/promises.md.
  test('is a task with its own history, whose id derives from the due time', async () => {
    const due: Date[] = []
    const t = await running((app) => app.schedule('tick', '* * * * *', (context) => void due.push(context.due)))
    await t.advance('2m')
    expect(due.map((at) => at.toISOString())).toEqual([minute(1), minute(2)])
    const id = occurrenceTaskId('tick', minute(1))
    expect(await storyOf(t, id)).toEqual(['Submitted', 'Started', 'Completed'])
    expect(await t.client.job(id)).toMatchObject({
      name: 'schedule:tick',
      params: { due: minute(1) },
      occurrence: { schedule: 'tick', due: minute(1) },
    })
    expect(await dataOf(t, 'schedule-tick', 'OccurrenceFinished')).toMatchObject([
      { due: minute(1), taskId: id, status: 'completed' },
      { due: minute(2) },
    ])
  })

  // A promise: see docs/promises.md.
  test('has an owner and no conversation', async () => {
    let session = currentSession()
    let refusal: unknown
    const t = await ticking({}, async () => {
      session = currentSession()
      await session?.reply('hello').catch((error: unknown) => {
        refusal = error
      })
    })
    await t.advance('1m')
    expect(session).toMatchObject({ id: undefined, user: { ownerId: 'system' } })
    expect(refusal).toMatchObject({
      message: expect.stringMatching(/needs a conversation, and scheduled work has none/),
    })
    expect(currentSession()).toBeUndefined()
  })

  test('that fails is finished as failed, and the next one runs', async () => {
    const t = await ticking({}, () => {
      throw new Error('no')
    })
    await t.advance('2m')
    expect((await dataOf(t, 'schedule-tick', 'OccurrenceFinished')).map(({ status }) => status)).toEqual([
      'failed',
      'failed',
    ])
  })

  // A promise: see docs/promises.md.
  test('every ten seconds, with a field for seconds', async () => {
    let ran = 0
    const t = await running((app) => app.schedule('tick', '*/10 * * * * *', () => void ran++))
    await t.advance('1m')
    expect(ran).toBe(6)
  })
})

describe('in Europe/Berlin', () => {
  test.each([
    ['2026-03-28T12:00:00Z', ['2026-03-29T07:00:00.000Z', '2026-03-30T07:00:00.000Z']],
    ['2026-10-24T12:00:00Z', ['2026-10-25T08:00:00.000Z', '2026-10-26T08:00:00.000Z']],
  ])('nine o’clock is nine o’clock after the change that follows %s', async (now, expected) => {
    const due: string[] = []
    const t = await running(
      (app) =>
        app.schedule(
          'nine',
          '0 9 * * *',
          { timezone: 'Europe/Berlin' },
          (context) => void due.push(context.due.toISOString()),
        ),
      { now },
    )
    await t.advance('2d')
    expect(due).toEqual(expected)
  })

  // A promise: see docs/promises.md.
  test.each([
    ['2026-03-27T12:00:00Z', ['28T01:30Z', '29T01:30Z', '30T00:30Z', '31T00:30Z']],
    ['2026-10-23T12:00:00Z', ['24T00:30Z', '25T00:30Z', '26T01:30Z', '27T01:30Z']],
  ] as const)(
    'half past two, which the change after %s leaves out or brings twice, comes once a day',
    async (now, expected) => {
      const due: string[] = []
      const t = await running(
        (app) =>
          app.schedule(
            'night',
            '30 2 * * *',
            { timezone: 'Europe/Berlin' },
            (context) => void due.push(context.due.toISOString()),
          ),
        { now },
      )
      await t.advance('4d')
      expect(due).toEqual(expected.map((day) => `${now.slice(0, 8)}${day.replace('Z', ':00.000Z')}`))
      expect((await decisions(t, 'night')).every((decision) => decision.endsWith(' due'))).toBe(true)
    },
  )
})

describe('overlap', () => {
  // A promise: see docs/promises.md.
  test("'skip' leaves out what comes due while one runs, and says so", async () => {
    const { opened, open } = gate()
    const t = await ticking({ overlap: 'skip' }, () => opened)
    await t.advance('3m')
    open()
    await t.advance('1m')
    expect(await decisions(t)).toEqual(['00:01 due', '00:02 overlap', '00:03 overlap', '00:04 due'])
  })

  // A promise: see docs/promises.md.
  test("'queue' runs them one after the other", async () => {
    let now = 0
    let most = 0
    let ran = 0
    const t = await running((app, sleep) =>
      app.schedule('tick', '* * * * *', { overlap: 'queue' }, async () => {
        most = Math.max(most, ++now)
        await sleep(150)
        now--
        ran++
      }),
    )
    await t.advance('10m')
    expect(most).toBe(1)
    expect(ran).toBe(3)
    expect(await decisions(t)).toHaveLength(10)
  })

  // A promise: see docs/promises.md.
  test("'parallel' runs them side by side", async () => {
    let now = 0
    let most = 0
    const t = await running((app, sleep) =>
      app.schedule('tick', '* * * * *', { overlap: 'parallel' }, async () => {
        most = Math.max(most, ++now)
        await sleep(150)
        now--
      }),
    )
    await t.advance('5m')
    expect(most).toBe(3)
  })
})

describe('what was due while nothing ran', () => {
  const downFor = async (options: CronOptions, downtime: string) => {
    const t = await ticking(options)
    await t.advance('1m')
    await t.stop()
    await t.advance(downtime)
    await t.restart()
    await t.settle()
    return t
  }

  // A promise: see docs/promises.md.
  test("'latest' runs the last one", async () => {
    const t = await downFor({ missed: 'latest' }, '3m50s')
    expect(await decisions(t)).toEqual(['00:01 due', '00:02 missed', '00:03 missed', '00:04 caught-up'])
    await t.advance('10s')
    expect((await decisions(t)).at(-1)).toBe('00:05 due')
  })

  // A promise: see docs/promises.md.
  test("'skip' runs none", async () => {
    const t = await downFor({ missed: 'skip' }, '3m50s')
    expect(await decisions(t)).toEqual(['00:01 due', '00:02 missed', '00:03 missed', '00:04 missed'])
  })

  // A promise: see docs/promises.md.
  test("'all' runs each", async () => {
    const t = await downFor({ missed: 'all', overlap: 'parallel' }, '3m50s')
    expect(await decisions(t)).toEqual(['00:01 due', '00:02 caught-up', '00:03 caught-up', '00:04 caught-up'])
    const ended = await dataOf(t, 'schedule-tick', 'OccurrenceFinished')
    expect(ended).toHaveLength(4)
  })

  // A promise: see docs/promises.md.
  test("'all' runs each where they may not overlap, one after the other", async () => {
    let now = 0
    let most = 0
    const ran: string[] = []
    const t = await running((app, sleep) =>
      app.schedule('tick', '* * * * *', { missed: 'all' }, async ({ due }) => {
        most = Math.max(most, ++now)
        await sleep(10)
        now--
        ran.push(due.toISOString().slice(11, 16))
      }),
    )
    await t.advance('1m10s')
    await t.stop()
    await t.advance('3m')
    await t.restart()
    await t.advance('1m40s')
    expect(most).toBe(1)
    expect(ran).toEqual(['00:01', '00:02', '00:03', '00:04', '00:05'])
    const madeUp = ['00:02 caught-up', '00:03 caught-up', '00:04 caught-up']
    expect(await decisions(t)).toEqual(['00:01 due', ...madeUp, '00:05 due'])
  })

  // A promise: see docs/promises.md.
  test("'all' runs at most a hundred", async () => {
    const t = await downFor({ missed: 'all', overlap: 'parallel' }, '1d')
    expect(await decisions(t)).toHaveLength(101)
  })

  test('is made up for, also by code that declares it with another description', async () => {
    const t = await ticking({ missed: 'all', overlap: 'parallel' })
    await t.advance('1m')
    await t.stop()
    await t.advance('1m50s')
    await t.restart(
      declared((app) => {
        app.schedule('tick', '* * * * *', { missed: 'all', overlap: 'parallel', description: 'Ticks.' }, () => {})
      }),
    )
    expect(await decisions(t)).toEqual(['00:01 due', '00:02 caught-up'])
  })

  test('a few seconds ago counts as due, not as missed', async () => {
    const t = await downFor({ missed: 'skip' }, '1m20s')
    expect(await decisions(t)).toEqual(['00:01 due', '00:02 due'])
  })
})

describe('a crash', () => {
  test.each([
    ['before', 'OccurrenceDue'],
    ['after', 'OccurrenceDue'],
    ['before', 'TaskSubmitted'],
    ['after', 'TaskStarted'],
    ['after', 'TaskCompleted'],
    ['before', 'OccurrenceFinished'],
  ] as const)('%s %s: the occurrence is decided once and finished once', async (when, type) => {
    const t = await ticking({})
    const crashed = t.crashAt(when, type)
    await t.advance('1m')
    await crashed
    await t.restart()
    await t.advance('50s')
    expect(await decisions(t)).toEqual(['00:01 due'])
    expect(await dataOf(t, 'schedule-tick', 'OccurrenceFinished')).toHaveLength(1)
    await t.advance('10s')
    expect(await decisions(t)).toEqual(['00:01 due', '00:02 due'])
  })
})

describe('operators', () => {
  // A promise: see docs/promises.md.
  test('pause and resume; what comes due meanwhile is skipped and says why', async () => {
    const t = await ticking({})
    const ada = { by: 'user:ada', ownerId: 'ada' } as const
    await t.advance('1m')
    await t.running.pauseSchedule('tick', ada)
    expect(t.running.scheduleInfo('tick')?.nextAt).toBeUndefined()
    await t.advance('2m')
    await t.running.resumeSchedule('tick', ada)
    expect(t.running.scheduleInfo('tick')?.nextAt).toBe(minute(4))
    await t.advance('1m')
    expect(await decisions(t)).toEqual(['00:01 due', '00:02 paused', '00:03 paused', '00:04 due'])
  })

  // A promise: see docs/promises.md.
  test('trigger one now, though one runs', async () => {
    const { opened } = gate()
    const t = await ticking({ overlap: 'skip' }, () => opened)
    await t.advance('1m')
    const { taskId } = await t.running.triggerSchedule('tick', { by: 'user:ada', ownerId: 'ada' })
    await t.settle()
    expect((await t.client.job(taskId)).status).toBe('running')
    expect(await decisions(t)).toEqual(['00:01 due', '00:01 manual'])
  })
})

test('a trigger that is repeated is answered as the first time, from the end of the schedule’s history', async () => {
  let store = new CountingStore()
  const t = await running((app) => app.schedule('tick', '* * * * *', noop), {
    wrapStore: (log) => (store = new CountingStore(log)),
  })
  const trigger = () => t.running.triggerSchedule('tick', { by: 'user:ada', ownerId: 'ada', commandId: 'k' })
  await t.advance('500m')
  const { taskId } = await trigger()
  await t.advance('150m')
  const read = await store.during(async () => expect((await trigger()).taskId).toBe(taskId))
  // Two events for each occurrence: the second two hundred from the end have it.
  expect(read).toBe(400)
})

describe('a declaration', () => {
  // A promise: see docs/promises.md.
  test('that changed counts from now on; one that is gone is removed; one that comes back starts anew', async () => {
    const t = await ticking({})
    await t.advance('1m')
    await t.restart(declared((app) => app.schedule('tick', '*/2 * * * *', noop)))
    await t.advance('3m')
    expect(await decisions(t)).toEqual(['00:01 due', '00:02 due', '00:04 due'])
    await t.restart(declared((app) => app.task('work', noop)))
    await t.advance('4m')
    await t.restart(declared((app) => app.schedule('tick', '* * * * *', noop)))
    await t.advance('1m')
    expect(await decisions(t)).toEqual(['00:01 due', '00:02 due', '00:04 due', '00:09 due'])
    const types = (await t.events('schedule-tick'))
      .map(({ type }) => type)
      .filter((type) => type.startsWith('Schedule'))
    expect(types).toEqual(['ScheduleRegistered', 'ScheduleChanged', 'ScheduleRemoved', 'ScheduleRegistered'])
  })
})
