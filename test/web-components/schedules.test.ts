import axe from 'axe-core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { page } from 'vitest/browser'
import type { Occurrence } from '../../src/http/wire.ts'
import { CapsuleSchedules } from '../../web-components/schedules/index.ts'
import { nextWords, outcome, summary } from '../../web-components/schedules/words.ts'
import { aJob, aSchedule, FakeServer, problemOf } from './chat-fake-server.ts'
import { atRest, readsFromLeft, rightToLeft } from './support.ts'

let server: FakeServer

beforeEach(() => {
  server = new FakeServer()
})

afterEach(() => {
  document.body.replaceChildren()
  server[Symbol.dispose]()
})

function open(width = 1200): CapsuleSchedules {
  const main = document.createElement('main')
  main.style.width = `${width}px`
  main.style.height = '700px'
  const schedules = new CapsuleSchedules()
  schedules.setAttribute('src', server.base)
  main.append(schedules)
  document.body.append(main)
  return schedules
}

function anOccurrence(facts: Partial<Occurrence> = {}): Occurrence {
  return {
    due: '2026-11-22T14:00:00.000Z',
    decision: 'due',
    trigger: 'cron',
    reason: null,
    job_id: 'job-1',
    status: 'completed',
    position: '1',
    ...facts,
  }
}
const skipped = (reason: Occurrence['reason'], due = '2026-11-22T13:00:00.000Z') =>
  anOccurrence({ decision: 'skipped', trigger: null, reason, job_id: null, status: null, due })

describe('the words of a schedule', () => {
  test.each([
    [[], 'No runs yet'],
    [[anOccurrence(), anOccurrence()], '2 completed'],
    [[skipped('overlap'), skipped('missed'), anOccurrence()], '2 skipped: overlap, missed while down'],
    [[anOccurrence({ status: 'failed' }), anOccurrence({ status: 'timeout' })], '1 failed. 1 timed out'],
    [[skipped('paused'), anOccurrence({ status: 'retry' })], 'Now waiting to retry. 1 skipped: paused'],
  ])('%# sum up what did not go well', (last, said) => {
    expect(summary(last)).toBe(said)
  })

  test('tell the strip to those who do not see it', () => {
    expect(outcome([anOccurrence(), skipped('overlap'), anOccurrence()])).toBe(
      'Last 3, oldest first: 2 completed, 1 skipped',
    )
  })

  test('count down within a day and name the day after it', () => {
    const now = new Date(2026, 10, 22, 12).getTime()
    expect(nextWords(new Date(now + 860_000).toISOString(), now).lead).toBe('in 14 min 20 s')
    expect(nextWords(new Date(now + 30 * 86_400_000).toISOString(), now)).toEqual({
      lead: '22 Dec 12:00',
      detail: 'in 30 d',
    })
    expect(nextWords(new Date(now + 43 * 3_600_000).toISOString(), now)).toEqual({
      lead: '24 Nov 07:00',
      detail: 'in 1 d 19 h',
    })
    expect(nextWords(new Date(now - 1).toISOString(), now).lead).toBe('Due now')
  })
})

describe('the list', () => {
  test('shows what runs, when next and how it went, oldest left, however the server orders it', async () => {
    server.schedules = [
      aSchedule({
        last: [
          anOccurrence({ status: 'failed', due: '2026-11-22T14:00:00.000Z' }),
          skipped('overlap', '2026-11-22T12:00:00.000Z'),
        ],
      }),
      aSchedule({ name: 'gone', removed: true }),
    ]
    const schedules = open()
    await expect.element(page.getByRole('heading', { name: 'weekday_digest' })).toBeVisible()
    await expect.element(page.getByText('Weekdays at 09:00, UTC')).toBeVisible()
    await expect.element(page.getByText('1 skipped: overlap. 1 failed')).toBeVisible()
    await expect.element(page.getByRole('heading', { name: 'gone' })).not.toBeInTheDocument()
    const strip = [...(schedules.shadowRoot?.querySelectorAll('.strip i') ?? [])].map(({ className }) => className)
    expect(strip).toHaveLength(30)
    expect(strip.slice(-3)).toEqual(['none', 'skipped', 'failed'])
  })

  test.each([1200, 640, 360])('cuts off no name and no meaning, %i px wide', async (width) => {
    const meaning = 'At 09:00 and 17:30, Monday through Friday, only in March, June, September and December'
    server.schedules = [aSchedule({ name: `digest_${'of_everything_'.repeat(8)}`, meaning })]
    const schedules = open(width)
    await expect.poll(() => schedules.shadowRoot?.querySelector('h3')).not.toBeNull()
    for (const each of schedules.shadowRoot?.querySelectorAll('h3, .when > *') ?? []) {
      expect(each.scrollWidth, each.textContent ?? '').toBeLessThanOrEqual(each.clientWidth)
    }
  })

  test('a row opens to its occurrences with the reason each was skipped', async () => {
    server.jobs.set('job-1', aJob({ status: 'completed' }))
    server.schedules = [aSchedule({ last: [skipped('missed'), anOccurrence({ trigger: 'caught-up' })] })]
    open()
    await page.getByRole('button', { name: 'Occurrences of weekday_digest' }).click()
    await expect.element(page.getByText('No node was running when it was due')).toBeVisible()
    await expect.element(page.getByText('Caught up after downtime')).toBeVisible()
    await page.getByRole('button', { name: /^Open the run of/ }).click()
    await expect.element(page.getByRole('dialog')).toBeVisible()
  })

  test('Trigger, Pause and Resume ask the server; what it refuses is said in the row', async () => {
    server.schedules = [aSchedule()]
    server.answer = ({ name }) => {
      if (name === 'schedule.trigger')
        return { problem: problemOf('overlap', 'Overlap', 'The last run is still going.', 409) }
      const schedule = aSchedule({ paused: name === 'schedule.pause', next_at: null })
      server.setSchedule(schedule)
      return { result: schedule }
    }
    const schedules = open()
    await page.getByRole('button', { name: 'Trigger weekday_digest' }).click()
    await expect.element(page.getByRole('alert')).toHaveTextContent('The last run is still going.')
    await page.getByRole('button', { name: 'Pause weekday_digest' }).click()
    await expect.element(page.getByText('Paused', { exact: true })).toBeVisible()
    await expect.element(page.getByRole('button', { name: 'Resume weekday_digest' })).toBeVisible()
    expect(schedules.shadowRoot?.activeElement?.getAttribute('aria-label')).toBe('Resume weekday_digest')
    await page.getByRole('button', { name: 'Resume weekday_digest' }).click()
    await expect.element(page.getByRole('button', { name: 'Trigger weekday_digest' })).toBeVisible()
    expect(server.commands.map(({ name }) => name)).toEqual(['schedule.trigger', 'schedule.pause', 'schedule.resume'])
  })

  test('reads its dates in their order, and opens towards the text, in a page that reads from right to left', async () => {
    server.schedules = [aSchedule({ next_at: new Date(Date.now() + 30 * 86_400_000).toISOString() })]
    await rightToLeft(async () => {
      const schedules = open()
      const row = await vi.waitUntil(() => schedules.shadowRoot?.querySelector('.one'))
      for (const each of row.querySelectorAll('.next > *'))
        expect(readsFromLeft(each), each.textContent ?? '').toBe(true)
      const arrow = row.querySelector('.icon') ?? row
      expect(getComputedStyle(arrow).transform).toBe('matrix(-1, 0, 0, 1, 0, 0)')
    })
  })

  test('has its lines on those of the columns beside it', async () => {
    server.schedules = [aSchedule({ last: [anOccurrence({ status: 'failed' })] })]
    const schedules = open()
    const row = await vi.waitUntil(() => schedules.shadowRoot?.querySelector('.one'))
    const tops = ['.when > :last-child', '.past > :last-child'].map(
      (each) => row.querySelector(each)?.getBoundingClientRect().top,
    )
    expect(tops[0]).toBe(tops[1])
  })

  test('can be searched once it is long', async () => {
    server.schedules = Array.from({ length: 7 }, (_, n) => aSchedule({ name: `job_${n}`, cron: `${n} 9 * * *` }))
    open()
    await page.getByRole('searchbox', { name: 'Search schedules' }).fill('3 9')
    await expect.element(page.getByRole('heading', { name: 'job_3' })).toBeVisible()
    await expect.element(page.getByRole('heading', { name: 'job_4' })).not.toBeInTheDocument()
  })

  test('says what would be there when nothing is', async () => {
    open()
    await expect.element(page.getByRole('heading', { name: 'No schedules yet' })).toBeVisible()
  })

  test.each([
    ['light', 1200],
    ['dark', 1200],
    ['light', 320],
    ['dark', 320],
  ])('axe finds nothing in %s at %i px', async (theme, width) => {
    document.documentElement.lang = 'en'
    document.documentElement.style.colorScheme = theme
    server.schedules = [
      aSchedule({ last: [skipped('overlap'), anOccurrence(), anOccurrence({ status: 'running' })] }),
      aSchedule({ name: 'legacy', paused: true, next_at: null }),
    ]
    const schedules = open(width)
    await page.getByRole('button', { name: 'Occurrences of weekday_digest' }).click()
    await expect.element(page.getByText('Past occurrences')).toBeVisible()
    await atRest()
    const { violations } = await axe.run(schedules, { rules: { 'heading-order': { enabled: false } } })
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([])
  })
})
