/** A log that newer code wrote to, as after a deploy was taken back: what this code does not know is left alone, and said. */
import { describe, expect, test } from 'vitest'
import { taskScope, WrittenByNewerCode } from '../../src/actors/index.ts'
import type { EventStore } from '../../src/events/index.ts'
import { running, storyOf } from './app.ts'
import { writeAsNewer } from './newer.ts'

type Declare = Parameters<typeof running>[0]

/** A running app to whose streams newer code may write. */
async function deployed(declare: Declare) {
  let log: EventStore | undefined
  const t = await running(declare, {
    wrapStore: (store) => {
      log = store
      return store
    },
  })
  return Object.assign(t, {
    async newerCodeWrites(stream: string, type: string, data = {}, v?: number) {
      if (log) await writeAsNewer(log, stream, type, data, v)
      await t.settle()
    },
    /** What was told of streams, which a stop would otherwise throw. */
    told() {
      return t.problems.splice(0).map(({ error, doing }) => {
        expect(error).toBeInstanceOf(WrittenByNewerCode)
        return doing
      })
    },
  })
}

const quick = (app: Parameters<Declare>[0]) => void app.task('quick', () => 'done')

describe('a start on a log that newer code wrote to', () => {
  /** Everything that a start looks at, and what is told of each. */
  const left: readonly (readonly [
    what: string,
    declare: Declare,
    begin: (t: Deployed) => Promise<string>,
    doing: RegExp,
  ])[] = [
    [
      'a task that ran',
      (app, sleep) => app.task('work', () => sleep('1h')),
      async (t) => `task-${await t.client.submit('work')}`,
      /^interrupting task /,
    ],
    [
      'a turn that ran',
      (app, sleep) => app.message(() => sleep('1h')),
      async (t) => {
        await t.client.say('s', 'hello')
        return 'session-s'
      },
      /^looking after the turn of session s$/,
    ],
    [
      'a lock that is held',
      (app, sleep) => app.task('work', { lock: 'k' }, () => sleep('1h')),
      async (t) => {
        await t.client.submit('work')
        return 'lock-k'
      },
      /^putting lock k right$/,
    ],
    [
      'a schedule',
      (app) => app.schedule('s', '0 9 * * *', () => {}),
      async () => 'schedule-s',
      /^taking up schedule s$/,
    ],
    [
      'the settings of a task',
      (app) => app.task('work', () => {}),
      async () => `setting-${taskScope('work')}`,
      /^reading the settings of task work$/,
    ],
  ]

  test.each(left)('leaves %s, says so, and works', async (_, declare, begin, doing) => {
    const t = await deployed((app, sleep) => {
      quick(app)
      declare(app, sleep)
    })
    const stream = await begin(t)
    await t.settle()
    t.crash()
    await t.newerCodeWrites(stream, 'SomethingNew')
    const events = (await t.events(stream)).length
    await t.restart()
    expect(t.told()[0]).toMatch(doing)
    const id = await t.client.submit('quick')
    await t.settle()
    expect(await t.client.job(id)).toMatchObject({ status: 'completed' })
    expect(await t.events(stream)).toHaveLength(events)
    t.told()
  })

  test('starts no task whose settings it cannot read: it may be paused', async () => {
    const t = await deployed(quick)
    t.crash()
    await t.newerCodeWrites(`setting-${taskScope('quick')}`, 'SettingSet', { key: 'paused', value: 'until noon' })
    await t.restart()
    const id = await t.client.submit('quick')
    await t.settle()
    expect(await storyOf(t, id)).toEqual(['Submitted'])
    t.told()
  })
})

describe('a conversation that newer code ends', () => {
  const talking: Declare = (app, sleep) => app.message(() => sleep(5))

  async function endedWhileMessagesWait() {
    const t = await deployed(talking)
    for (const text of ['one', 'two']) await t.client.say('s', text)
    await t.settle()
    await t.newerCodeWrites('session-s', 'SessionEnded', {}, 1)
    return t
  }
  const turns = async (t: Deployed) =>
    (await t.events('session-s')).map(({ type }) => type).filter((type) => type.startsWith('Turn'))

  test('is left in peace: what waits in it begins no turn, and nothing is asked again and again', async () => {
    const t = await endedWhileMessagesWait()
    await t.advance(5)
    expect(await turns(t)).toEqual(['TurnStarted'])
    expect(t.problems).toEqual([])
  })

  test('is left in peace by a start', async () => {
    const t = await endedWhileMessagesWait()
    t.crash()
    await t.restart()
    expect(await turns(t)).toEqual(['TurnStarted'])
    expect(t.problems).toEqual([])
  })

  test('is left in peace by a start when nothing was being answered in it', async () => {
    const t = await deployed(talking)
    await t.client.say('s', 'one')
    await t.advance(5)
    t.crash()
    await t.newerCodeWrites('session-s', 'MessageReceived', { messageId: 'two', text: 'two' }, 1)
    await t.newerCodeWrites('session-s', 'SessionEnded', {}, 1)
    await t.restart()
    expect(await turns(t)).toEqual(['TurnStarted', 'TurnCompleted'])
    expect(t.problems).toEqual([])
  })
})

type Deployed = Awaited<ReturnType<typeof deployed>>
