import { describe, expect, test } from 'vitest'
import { QueueFull } from '../../src/actors/index.ts'
import { gate, running } from './app.ts'

describe('a queue with a bound', () => {
  test('does not refuse a submit that joins one that waits', async () => {
    const blocker = gate()
    const t = await running((app) =>
      app.task('work', { lock: 'day:{day}', maxQueued: 1, concurrency: 1 }, () => blocker.opened),
    )
    await t.client.submit('work', { day: 1 })
    await t.settle()
    const waits = await t.client.submit('work', { day: 2 })
    expect(await t.client.submit('work', { day: 2 })).toBe(waits)
    await expect(t.client.submit('work', { day: 3 })).rejects.toThrow(QueueFull)
    blocker.open()
    await t.settle()
  })

  // A promise: see docs/promises.md.
  test('refuses the submit beyond it, takes a repeat of what it took, and opens again', async () => {
    const blocker = gate()
    const t = await running((app) => app.task('work', { concurrency: 1, maxQueued: 2 }, () => blocker.opened))
    await t.client.submit('work')
    await t.settle()
    const keyed = await t.client.submit('work', {}, { commandId: 'same' })
    await t.client.submit('work')
    await expect(t.client.submit('work')).rejects.toMatchObject({ code: 'queue-full', limit: 2 })
    expect(await t.client.submit('work', {}, { commandId: 'same' })).toBe(keyed)
    blocker.open()
    await t.settle()
    await t.client.submit('work')
  })

  // A promise: see docs/promises.md.
  test('holds when many submit at once', async () => {
    const blocker = gate()
    const t = await running((app) => app.task('work', { concurrency: 1, maxQueued: 5 }, () => blocker.opened))
    await t.client.submit('work')
    await t.settle()
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => t.client.submit('work')))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(5)
    blocker.open()
    await t.settle()
  })
})
