import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import * as schemas from '../../src/http/schemas/index.ts'
import { at, scheduleView } from './fake-app.ts'
import { codeOf, serving } from './serving.ts'

async function withDigest() {
  const served = await serving()
  const skipped = {
    due: '2026-01-05T09:00:00.000Z',
    decision: 'skipped',
    trigger: undefined,
    reason: 'overlap',
    jobId: undefined,
    status: undefined,
    position: at(4),
  } as const
  const schedule = scheduleView('digest', { description: 'Sends the digest.', last: [skipped] })
  served.app.reads.schedulesByName.set('digest', schedule)
  served.app.reads.occurrencesList = [skipped, skipped]
  return served
}

describe('schedules', () => {
  it('are listed with their meaning, what is next and what was', async () => {
    const { get } = await withDigest()
    const [schedule] = z.array(schemas.schedule).parse((await get('/api/v1/schedules')).body)
    expect(schedule).toMatchObject({
      name: 'digest',
      description: 'Sends the digest.',
      meaning: 'At 09:00, Monday to Friday',
      next_at: '2026-01-06T09:00:00.000Z',
      last: [{ decision: 'skipped', reason: 'overlap', trigger: null, job_id: null }],
    })
  })

  it('are found by name or refused', async () => {
    const { get, refusal } = await withDigest()
    expect(await get('/api/v1/schedules/digest')).toMatchObject({ status: 200, body: { paused: false } })
    for (const path of ['nope', 'nope/$occurrences']) {
      expect(codeOf(await refusal('GET', `/api/v1/schedules/${path}`))).toBe('not-found')
    }
  })

  it('tell their occurrences, page by page', async () => {
    const { get } = await withDigest()
    const { body, headers } = await get('/api/v1/schedules/digest/$occurrences?limit=1')
    expect(z.array(schemas.occurrence).parse(body)).toHaveLength(1)
    expect(headers).toMatchObject({ link: '</api/v1/schedules/digest/$occurrences?limit=1&cursor=more>; rel="next"' })
  })

  it('run when triggered', async () => {
    const { app, post } = await withDigest()
    const answer = await post('/api/v1/schedules/digest/$trigger', undefined, { 'idempotency-key': 'k' })
    expect(answer).toMatchObject({
      status: 202,
      headers: { location: '/api/v1/jobs/job-now', 'x-position': '1' },
      body: { job_id: 'job-now' },
    })
    expect(app.calls).toMatchObject([{ command: 'triggerSchedule', caller: { commandId: 'k' } }])
  })

  it('are paused and resumed', async () => {
    const { post } = await withDigest()
    expect(await post('/api/v1/schedules/digest/$pause')).toMatchObject({ status: 200, body: { paused: true } })
    expect(await post('/api/v1/schedules/digest/$resume')).toMatchObject({ status: 200, body: { paused: false } })
  })
})
