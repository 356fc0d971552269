import { describe, expect, it } from 'vitest'
import * as schemas from '../../src/http/schemas/index.ts'
import { jobView } from './fake-app.ts'
import { serving } from './serving.ts'

async function filled() {
  const served = await serving()
  for (let n = 0; n < 5; n++) served.app.put(jobView(`q${n}`))
  served.app.put(jobView('r', { status: 'running', name: 'add' }))
  served.app.put(jobView('x', { status: 'cancelled' }))
  return served
}

describe('the board', () => {
  it('has the usual columns with their counts and first cards', async () => {
    const { get } = await filled()
    const board = schemas.board.parse((await get('/api/v1/board?limit=2')).body)
    expect(board.total).toBe(7)
    expect(board.columns.map(({ label, count, jobs }) => [label, count, jobs.map(({ id }) => id)])).toEqual([
      ['Scheduled', 0, []],
      ['Queued', 5, ['q0', 'q1']],
      ['Running', 1, ['r']],
      ['Completed', 0, []],
      ['Failed', 1, ['x']],
    ])
  })

  it('has the columns asked for', async () => {
    const { get } = await filled()
    const columns = JSON.stringify([{ label: 'All', statuses: ['pending', 'running'] }])
    const { body } = await get(`/api/v1/board?task_name=add&columns=${encodeURIComponent(columns)}`)
    expect(body).toMatchObject({ columns: [{ label: 'All', count: 1, jobs: [{ id: 'r' }] }] })
  })

  it.each(['[', '[]', '[{"label":"x","statuses":["nope"]}]', '[{"label":"x","statuses":["failed"],"limit":5}]', '{}'])(
    'refuses the columns %s',
    async (columns) => {
      const { refusal } = await serving()
      const problem = await refusal('GET', `/api/v1/board?columns=${encodeURIComponent(columns)}`)
      expect(problem).toMatchObject({ status: 422 })
      expect(problem.errors?.[0]?.path).toMatch(/^columns/)
    },
  )

  it('gives further cards of one column, page by page', async () => {
    const { get } = await filled()
    const first = await get('/api/v1/board/$column?statuses=pending,retry&limit=3')
    expect(schemas.boardColumn.parse(first.body).jobs.map(({ id }) => id)).toEqual(['q0', 'q1', 'q2'])
    expect(first.headers).toMatchObject({
      'x-total-count': '5',
      link: '</api/v1/board/$column?statuses=pending%2Cretry&limit=3&after=3>; rel="next"',
    })
    const second = await get('/api/v1/board/$column?statuses=pending,retry&limit=3&after=3')
    expect(schemas.boardColumn.parse(second.body).jobs.map(({ id }) => id)).toEqual(['q3', 'q4'])
    expect(second.headers).not.toHaveProperty('link')
  })
})
