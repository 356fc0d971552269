/** Who decides the due times of a schedule, and who declares it, while nodes come and go. */
import { describe, expect, test } from 'vitest'
import { cluster } from './cluster.ts'

describe('a schedule on several nodes', () => {
  // A promise: see docs/promises.md.
  test('a schedule is decided once for each due time, also when the node that decides dies', async () => {
    const ran: string[] = []
    const c = await cluster(3, (app) =>
      app.schedule('tick', '*/10 * * * * *', ({ due }) => void ran.push(due.toISOString())),
    )
    await c.advance('35s')
    const decided = async () => (await c.events('schedule-')).filter(({ type }) => type === 'OccurrenceDue')
    const last = (await decided()).at(-1)
    const started = (await c.events('node-')).filter(({ type }) => type === 'NodeStarted')
    const decider = started.findIndex(({ data }) => `node:${data.node}` === last?.metadata.by)
    expect(decider).toBeGreaterThanOrEqual(0)
    c.kill(decider)
    await c.advance('60s')
    const due = (await decided()).map(({ data }) => data.due)
    expect(due.length).toBeGreaterThanOrEqual(9)
    expect(due).toEqual([...new Set(due)])
    expect(ran.toSorted()).toEqual(due)
  })

  // A promise: see docs/promises.md.
  test('a due time that two nodes decide at once is decided once', async () => {
    const ran: string[] = []
    const c = await cluster(2, (app) =>
      app.schedule('tick', '*/10 * * * * *', ({ due }) => void ran.push(due.toISOString())),
    )
    await c.advance('6s')
    // Until the log goes on, neither hears of what the other has decided.
    c.hangs = true
    await c.advance('2s')
    expect(ran).toEqual([])
    c.hangs = false
    await c.advance('5s')
    const decided = (await c.events('schedule-')).filter(({ type }) => /^Occurrence(Due|Skipped)$/.test(type))
    expect(decided.map(({ type, data }) => [type, data.due])).toEqual([['OccurrenceDue', '2026-01-01T00:00:10.000Z']])
    expect(ran).toEqual(['2026-01-01T00:00:10.000Z'])
  })

  // A promise: see docs/promises.md.
  test('a schedule of one second: one decision for each due second, whoever dies, sleeps or joins', async () => {
    const c = await cluster(3, (app) => app.schedule('tick', '* * * * * *', { overlap: 'parallel' }, () => {}))
    const begun = c.clock.now()
    await c.advance('20s')
    c.kill(0)
    await c.advance('20s')
    c.nodes[1]?.sleeper.sleep()
    await c.advance('20s')
    c.nodes[1]?.sleeper.wake()
    await c.add()
    await c.advance('20s')
    const decided = (await c.events('schedule-'))
      .filter(({ type }) => type === 'OccurrenceDue' || type === 'OccurrenceSkipped')
      .map(({ data }) => Date.parse(String(data.due)))
      .filter((due) => due > begun)
    const seconds = Math.floor(c.clock.now() / 1000) - Math.floor(begun / 1000)
    const due = Array.from({ length: seconds }, (_, second) => (Math.floor(begun / 1000) + 1 + second) * 1000)
    // The last one may be on its way to the next in its order.
    expect(decided).toEqual(due.slice(0, decided.length))
    expect(decided.length).toBeGreaterThanOrEqual(seconds - 1)
  })

  test('a schedule that an older node declared otherwise, and took with it, is as the newer ones declare it again', async () => {
    const ran: string[] = []
    const c = await cluster(1, (app, node) =>
      app.schedule('tick', node === 1 ? '0 0 * * *' : '*/10 * * * * *', () => void ran.push(`${node}`)),
    )
    await c.advance('30s')
    expect(ran.length).toBeGreaterThanOrEqual(2)
    // Restarted in the middle of a deploy, with the code of before: it decides now, and the one of the newer code does not.
    await c.add()
    ran.length = 0
    await c.advance('60s')
    expect(ran).toEqual([])
    c.kill(1)
    await c.advance('60s')
    expect(ran.length).toBeGreaterThanOrEqual(3)
    const changes = (await c.events('schedule-')).filter(({ type }) => type === 'ScheduleChanged')
    expect(changes.map(({ data }) => data.cron)).toEqual(['0 0 * * *', '*/10 * * * * *'])
    const due = (await c.events('schedule-')).filter(({ type }) => type === 'OccurrenceDue').map(({ data }) => data.due)
    expect(due).toEqual([...new Set(due)])
  })

  test('occurrences that queue run one after the other, also while nodes are there that do not declare the schedule', async () => {
    let now = 0
    let most = 0
    const c = await cluster(3, (app, node) => {
      if (node < 2) return void app.task('work', () => 'done')
      app.schedule('tick', '*/10 * * * * *', { overlap: 'queue' }, async () => {
        most = Math.max(most, ++now)
        await new Promise<void>((resolve) => c.clock.after(25_000, resolve))
        now--
      })
    })
    await c.advance('2m')
    expect(most).toBe(1)
    const submitted = (await c.events('task-')).filter(({ type }) => type === 'TaskSubmitted')
    expect(submitted.length).toBeGreaterThanOrEqual(10)
    for (const { data } of submitted) expect(data).toMatchObject({ lockKey: 'schedule:tick', onLocked: 'queue' })
  })

  test('a schedule that only one of them declares stays while that one lives, and goes with it', async () => {
    const c = await cluster(1, (app, node) => {
      if (node === 0) app.schedule('old', '* * * * *', () => {})
      else app.schedule('new', '* * * * *', () => {})
    })
    // More announcements than one page of the old node's stream: what it declares is said again.
    await c.advance('10m')
    await c.add()
    await c.advance('1m')
    const removed = async () =>
      (await c.events('schedule-')).filter(({ type }) => type === 'ScheduleRemoved').map(({ stream }) => stream)
    expect(await removed()).toEqual([])
    const stopping = c.nodes[0]?.engine.stop({ drainMs: 0 })
    await c.advance('1s')
    await stopping
    await c.advance('10s')
    expect(await removed()).toEqual(['demo.schedule-old'])
  })
})
