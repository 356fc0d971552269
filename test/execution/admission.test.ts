import { expect, test } from 'vitest'
import { ActorSystem, limitKind, ManualClock, taskKind } from '../../src/actors/index.ts'
import { openMemoryStore } from '../../src/events/index.ts'
import { Admission } from '../../src/execution/admission.ts'
import { submission } from '../actors/given.ts'

test('one that runs alone gets the permit of its key, though the node that took one for it died before its claim', async () => {
  const clock = new ManualClock()
  const system = new ActorSystem({ app: 'demo', store: openMemoryStore(), clock })
  const submit = { type: 'submit', submission: submission({ name: 'work', params: { k: 'x' } }) } as const
  await system.execute(taskKind, 'suspect', submit, { by: 'system' })
  const limits = { key: { of: () => 'x', limit: 1 } }
  const took = {
    type: 'adjust',
    returns: [],
    wants: [{ taskId: 'suspect', claim: 'dead' }],
    rules: { concurrency: 1 },
  } as const
  await system.execute(limitKind, 'key:work:x', took, { by: 'node:dead' })
  const none = () => 0
  const admission = new Admission({
    system,
    node: 'living',
    waits: () => true,
    takeSlots: none,
    giveSlot: none,
    admit: none,
    wake: none,
    reject: none,
    report: (error) => {
      throw error
    },
  })
  const item = { id: 'suspect', name: 'work', ownerId: 'ann', priority: 0, leftMs: 0 }
  expect(await admission.ask(item, limits)).toHaveProperty('again')
  await clock.advance(11_000)
  expect(await admission.ask(item, limits)).toHaveProperty('claim')
})
