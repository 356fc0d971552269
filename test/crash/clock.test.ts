/** Somebody sets the machine's clock back an hour, and later on again, while a real server works. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'
import type { Session } from '../../src/http/wire.ts'
import { boardDifferences } from './board.ts'
import { count, type History, readHistory, settled, violations } from './history.ts'
import { complaints, eventually, serve, submit, temporaryDirectory, until } from './server.ts'

const PRELOAD = pathToFileURL(join(import.meta.dirname, 'apps/date.ts')).href

it('a date set back an hour runs nothing twice and holds up nothing that waits for time to pass', {
  timeout: 180_000,
}, async () => {
  const data = await temporaryDirectory()
  const [back, told] = [join(data, 'back'), join(data, 'told')]
  const env = { NODE_OPTIONS: `--import=${PRELOAD}`, DATE_SET_BACK: back }
  const server = await serve({ app: 'test/crash/apps/timed.ts', data, env })
  const look = (what: string, holds: (history: History) => boolean) =>
    eventually(what, async () => {
      const history = await readHistory(data)
      return holds(history) ? history : undefined
    })
  await look('two ticks', ({ events }) => count(events, ['OccurrenceDue']) >= 2)
  const session = (await server.ask<Session>('POST', '/api/v1/sessions', {})).body
  const teller = await submit(server, 'teller', { file: told }, { session_id: session.id })
  const delayed = await submit(server, 'plain', { n: 1 }, { delay: '4s' })
  const late = await submit(server, 'late', {})
  const limited = await Promise.all(Array.from({ length: 10 }, (_, n) => submit(server, 'limited', { n })))
  await look('the teller to have told something', ({ events }) => count(events, ['TaskProgressed']) > 0)

  await writeFile(back, '')
  const after = await submit(server, 'plain', { n: 2 })
  expect(Date.parse(after.submitted_at)).toBeLessThan(Date.parse(delayed.submitted_at))
  const before = await readHistory(data)
  for (let n = 10; n < 20; n++) limited.push(await submit(server, 'limited', { n }))
  await until(server, after, 'completed')
  await until(server, await submit(server, 'plain', { n: 3 }, { delay: '1s' }), 'completed')
  await until(server, late, 'timeout')
  await until(server, delayed, 'completed')
  for (const job of limited) await until(server, job, 'completed')
  const types = ['TaskProgressed', 'ReplyStreamed'] as const
  for (const type of types) {
    await look(`more ${type}`, ({ events }) => count(events, [type]) > count(before.events, [type]) + 1)
  }
  // By the date none of them has come: the next one is an hour away.
  const ticks = count((await readHistory(data)).events, ['OccurrenceDue'])

  await rm(back)
  await look('the schedule to go on', ({ events }) => count(events, ['OccurrenceDue']) >= ticks + 3)
  await writeFile(told, '')
  await until(server, teller, 'completed')
  // The log is at rest between two ticks only.
  const history = await eventually('the board to agree with the log', async () => {
    const between = await settled(data)
    return (await boardDifferences(server, between)).length === 0 ? between : undefined
  })
  expect(violations(history)).toEqual([])
  for (const { attempt, failures, name } of history.jobs.values()) {
    expect({ attempt, failures }, name).toEqual({ attempt: 1, failures: name === 'late' ? 1 : 0 })
  }
  expect(complaints(server)).toEqual([])
  await server.kill()
})
