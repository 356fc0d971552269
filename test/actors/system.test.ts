import { describe, expect, test } from 'vitest'
import {
  ActorSystem,
  type ActorSystemOptions,
  CommandRefused,
  HistoryCorrupt,
  MailboxFull,
  ManualClock,
  type Origin,
  type Outcome,
  sessionKind,
  type TaskCommand,
  type TaskContext,
  TooContended,
  taskKind,
  WrittenByNewerCode,
} from '../../src/actors/index.ts'
import {
  type EventStore,
  expectedHash,
  GENESIS,
  type JsonObject,
  openMemoryStore,
  StoreRefusesUser,
  StoreUnavailable,
  StreamDeleted,
} from '../../src/events/index.ts'
import { submission } from './given.ts'
import { interrupting, unavailable, withAppend } from './stores.ts'

const BY: Origin = { by: 'user:ada' }
const submit: TaskCommand = { type: 'submit', submission: submission() }
const start: TaskCommand = { type: 'start', node: 'n1' }

function systemOn(store: EventStore, options: Partial<ActorSystemOptions> = {}): ActorSystem {
  return new ActorSystem({ app: 'demo', store, clock: new ManualClock(), ...options })
}

async function typesOf(store: EventStore, id = 't1'): Promise<string[]> {
  return (await store.readStream(`demo.task-${id}`)).map(({ type }) => type)
}

async function runningTask(system: ActorSystem, id = 't1'): Promise<string> {
  await system.execute(taskKind, id, submit, BY)
  const { facts } = await system.execute(taskKind, id, start, BY)
  return facts[0]?.id ?? ''
}

/** Appends a fact as it is, behind the system's back. */
async function forge(store: EventStore, type: string, data: JsonObject, v = 1, id = 't1'): Promise<void> {
  const at = new Date(0).toISOString()
  const metadata = { at, by: 'system', correlationId: 'x', causationId: 'x', v, hash: 'f'.repeat(64) } as const
  await store.append(`demo.task-${id}`, 'any', [{ id: crypto.randomUUID(), type, data, metadata }])
}

describe('a command', () => {
  // A promise: see docs/promises.md.
  test('is recorded with who, why and when before it is applied', async () => {
    const store = openMemoryStore()
    const clock = new ManualClock('2026-02-03T04:05:06.789Z')
    const system = systemOn(store, { clock })
    const { state, facts, position } = await system.execute(taskKind, 't1', submit, {
      by: 'user:ada',
      commandId: 'cmd',
      correlationId: 'first',
      causationId: 'before',
      traceparent: '00-trace',
    })
    const [event] = await store.readStream('demo.task-t1')
    expect(event?.metadata).toMatchObject({
      at: '2026-02-03T04:05:06.789Z',
      by: 'user:ada',
      commandId: 'cmd',
      correlationId: 'first',
      causationId: 'before',
      traceparent: '00-trace',
      v: 1,
    })
    expect(state).toMatchObject({ value: 'pending', context: { revision: 0 } })
    expect(facts.map(({ id }) => id)).toEqual([event?.id])
    expect(position).toBe(event?.position)
    expect(system.acknowledged('demo.task-t1')).toBe(event?.position)
  })

  // A promise: see docs/promises.md.
  test('is applied only once the store has it', async () => {
    const known: unknown[] = []
    const store = withAppend(openMemoryStore(), (append) => async (...of) => {
      known.push(system.peek(taskKind, 't1')?.value)
      const appended = await append(...of)
      known.push(system.peek(taskKind, 't1')?.value)
      return appended
    })
    const system = systemOn(store)
    await runningTask(system)
    expect(known).toEqual(['new', 'new', 'pending', 'pending'])
    expect(system.peek(taskKind, 't1')?.value).toBe('running')
  })

  test('that is refused leaves no trace', async () => {
    const store = openMemoryStore()
    await expect(systemOn(store).execute(taskKind, 't1', { type: 'requeue' }, BY)).rejects.toThrow(CommandRefused)
    expect(await typesOf(store)).toEqual([])
  })

  test('that is refused with a fact is recorded and refused', async () => {
    const store = openMemoryStore()
    const system = systemOn(store)
    await runningTask(system)
    const zombie: TaskCommand = { type: 'complete', claim: 'former', result: null }
    await expect(system.execute(taskKind, 't1', zombie, BY)).rejects.toMatchObject({ code: 'attempt-fenced' })
    expect(await typesOf(store)).toEqual(['TaskSubmitted', 'TaskStarted', 'TaskWriteRefused'])
    await expect(system.execute(taskKind, 't1', zombie, BY)).rejects.toMatchObject({ code: 'attempt-fenced' })
    expect(await typesOf(store)).toHaveLength(3)
  })
})

describe('a mailbox', () => {
  test('is worked off in order, one command at a time', async () => {
    const store = openMemoryStore()
    let underWay = 0
    let most = 0
    const slow = withAppend(store, (append) => async (...of) => {
      most = Math.max(most, ++underWay)
      await new Promise((resolve) => setImmediate(resolve))
      underWay--
      return append(...of)
    })
    const system = systemOn(slow)
    const claim = await runningTask(system)
    const fractions = [0.1, 0.2, 0.3, 0.4]
    await Promise.all(
      fractions.map((fraction) => system.execute(taskKind, 't1', { type: 'progress', claim, fraction }, BY)),
    )
    const recorded = await store.readStream('demo.task-t1', { from: 2n })
    expect(recorded.map(({ data }) => data.fraction)).toEqual(fractions)
    expect(most).toBe(1)
  })

  test('is bounded, except for what must land', async () => {
    const gate = Promise.withResolvers<void>()
    const system = systemOn(
      interrupting(openMemoryStore(), () => gate.promise),
      { mailbox: 2 },
    )
    // The first is under way; two wait.
    const accepted = [submit, { type: 'delete' } as const, start].map((command) =>
      system.execute(taskKind, 't1', command, BY),
    )
    await expect(system.execute(taskKind, 't1', { type: 'cancel' }, BY)).rejects.toThrow(MailboxFull)
    const landed = system.execute(taskKind, 't1', { type: 'cancel' }, { ...BY, mustLand: true })
    gate.resolve()
    await Promise.all(accepted)
    expect((await landed).facts.map(({ type }) => type)).toEqual(['TaskCancelRequested'])
  })

  test('goes on after a command that failed', async () => {
    const system = systemOn(openMemoryStore())
    const refused = system.execute(taskKind, 't1', { type: 'cancel' }, BY)
    const done = system.execute(taskKind, 't1', submit, BY)
    await expect(refused).rejects.toThrow(CommandRefused)
    expect((await done).state.value).toBe('pending')
  })
})

describe('when others append too', () => {
  test('a command that lost the race is decided again on what is there now', async () => {
    const store = openMemoryStore()
    const other = systemOn(store)
    await other.execute(taskKind, 't1', submit, BY)
    let raced = false
    const system = systemOn(
      interrupting(store, async () => {
        if (raced) return
        raced = true
        await other.execute(taskKind, 't1', { type: 'cancel' }, BY)
      }),
    )
    await expect(system.execute(taskKind, 't1', start, BY)).rejects.toThrow('The task is cancelled, not waiting.')
    expect(await typesOf(store)).toEqual(['TaskSubmitted', 'TaskCancelled'])
  })

  test('a decision that is made again has new event ids', async () => {
    const store = openMemoryStore()
    const other = systemOn(store)
    const claim = await runningTask(other)
    const tried: string[] = []
    const watched = withAppend(store, (append) => async (stream, expected, events) => {
      tried.push(...events.map(({ id }) => id))
      if (tried.length === 1) await other.execute(taskKind, 't1', { type: 'delete' }, BY)
      return append(stream, expected, events)
    })
    await systemOn(watched).execute(taskKind, 't1', { type: 'complete', claim, result: 1 }, BY)
    expect(new Set(tried).size).toBe(2)
    expect(await typesOf(store)).toEqual(['TaskSubmitted', 'TaskStarted', 'TaskDeleted', 'TaskCompleted'])
  })

  test('it gives up after many lost races, unless the command must land', async () => {
    const store = openMemoryStore()
    const other = systemOn(store)
    const claim = await runningTask(other)
    let races = 0
    const contended = () =>
      systemOn(
        interrupting(store, async () => {
          if (races-- > 0) await other.execute(taskKind, 't1', { type: 'progress', claim, message: String(races) }, BY)
        }),
      )
    const complete: TaskCommand = { type: 'complete', claim, result: 1 }
    races = 50
    await expect(contended().execute(taskKind, 't1', complete, BY)).rejects.toThrow(TooContended)
    races = 50
    const { state } = await contended().execute(taskKind, 't1', complete, { ...BY, mustLand: true })
    expect(state.value).toBe('completed')
  })

  test('a refusal never rests on what has been overtaken', async () => {
    const store = openMemoryStore()
    const [one, two] = [systemOn(store), systemOn(store)]
    await one.execute(taskKind, 't1', submit, BY)
    await one.execute(taskKind, 't1', { type: 'cancel' }, BY)
    await two.read(taskKind, 't1')
    await one.execute(taskKind, 't1', { type: 'requeue' }, BY)
    await expect(two.execute(taskKind, 't1', { type: 'cancel' }, BY)).resolves.toMatchObject({
      state: { value: 'cancelled' },
    })
    expect((await one.read(taskKind, 't1')).state.value).toBe('cancelled')
  })
})

describe('a repeated command id', () => {
  const complete = async (system: ActorSystem, text: string): Promise<Outcome<unknown>> =>
    system.execute(
      sessionKind,
      's1',
      { type: 'receive', messageId: text, text, createFor: 'ada' },
      { ...BY, commandId: 'once' },
    )

  test.each([
    ['on the same system', (_store: EventStore, first: ActorSystem) => first],
    ['on another system', (store: EventStore) => systemOn(store)],
  ])('adds nothing %s', async (_, other) => {
    const store = openMemoryStore()
    const system = systemOn(store)
    const { position } = await complete(system, 'hi')
    const again = await complete(other(store, system), 'hi')
    expect(again).toMatchObject({ facts: [], position })
    expect(await store.readStream('demo.session-s1')).toHaveLength(2)
  })

  // A promise: see docs/promises.md.
  test('adds nothing after passivation', async () => {
    const store = openMemoryStore()
    const system = systemOn(store, { residents: 1, exclusive: true })
    await complete(system, 'hi')
    await system.execute(taskKind, 't1', submit, BY)
    expect(system.peek(sessionKind, 's1')).toBeUndefined()
    expect((await complete(system, 'hi')).facts).toEqual([])
  })
})

describe('a store that gives no answer', () => {
  /** Records, then says that it is unavailable, `times` times. */
  const forgetful = (store: EventStore, times: number) => {
    let left = times
    return withAppend(store, (append) => async (...of) => {
      const result = await append(...of)
      if (left-- > 0) throw unavailable()
      return result
    })
  }

  test('is asked again with the same ids: what it recorded is recorded once', async () => {
    const store = openMemoryStore()
    const clock = new ManualClock()
    const system = systemOn(forgetful(store, 3), { clock })
    const submitted = system.execute(taskKind, 't1', submit, BY)
    await clock.advance(1000)
    expect((await submitted).state.value).toBe('pending')
    expect(await typesOf(store)).toEqual(['TaskSubmitted'])
  })

  test('is given up on in time, and the log decides what became of the command', async () => {
    const store = openMemoryStore()
    const clock = new ManualClock()
    const system = systemOn(forgetful(store, 100), { clock, patienceMs: 5000, exclusive: true })
    const submitted = system.execute(taskKind, 't1', submit, BY)
    submitted.catch(() => {})
    await clock.advance(5000)
    await expect(submitted).rejects.toThrow(StoreUnavailable)
    expect((await system.read(taskKind, 't1')).state.value).toBe('pending')
  })

  test('is asked for ever where the command must land', async () => {
    const store = openMemoryStore()
    const clock = new ManualClock()
    const claim = await runningTask(systemOn(store))
    let down = true
    const system = systemOn(
      withAppend(store, (append) => async (...of) => {
        if (down) throw unavailable()
        return append(...of)
      }),
      { clock },
    )
    const landed = system.execute(taskKind, 't1', { type: 'complete', claim, result: 1 }, { ...BY, mustLand: true })
    await clock.advance(3_600_000)
    down = false
    await clock.advance(1000)
    expect((await landed).state.value).toBe('completed')
  })

  test('not even to a read, is asked for ever where the command must land', async () => {
    const store = openMemoryStore()
    const clock = new ManualClock()
    const claim = await runningTask(systemOn(store))
    let down = true
    const dumb: EventStore = {
      ...withAppend(store, (append) => append),
      readStream: async (...of) => {
        if (down) throw unavailable()
        return store.readStream(...of)
      },
    }
    const system = systemOn(dumb, { clock })
    const landed = system.execute(taskKind, 't1', { type: 'complete', claim, result: 1 }, { ...BY, mustLand: true })
    const given = system.execute(taskKind, 't2', submit, BY)
    given.catch(() => {})
    await clock.advance(60_000)
    await expect(given).rejects.toThrow(StoreUnavailable)
    down = false
    await clock.advance(1000)
    expect((await landed).state.value).toBe('completed')
  })

  test('for a user that it refuses, is asked until the user is let in, where the command must land', async () => {
    const store = openMemoryStore()
    const clock = new ManualClock()
    const claim = await runningTask(systemOn(store))
    const refused = () => new StoreRefusesUser('The event store refuses this user.')
    let refuses = true
    const strict: EventStore = {
      ...withAppend(store, (append) => async (...of) => {
        if (refuses) throw refused()
        return append(...of)
      }),
      readStream: async (...of) => {
        if (refuses) throw refused()
        return store.readStream(...of)
      },
    }
    const system = systemOn(strict, { clock })
    const landed = system.execute(taskKind, 't1', { type: 'complete', claim, result: 1 }, { ...BY, mustLand: true })
    await expect(system.execute(taskKind, 't2', submit, BY)).rejects.toThrow(StoreRefusesUser)
    await clock.advance(60_000)
    refuses = false
    await clock.advance(1000)
    expect((await landed).state.value).toBe('completed')
  })

  test('that cannot be helped is not asked again', async () => {
    let asked = 0
    const broken = withAppend(openMemoryStore(), () => async () => {
      asked++
      throw new StoreUnavailable('disk full', { retryable: false })
    })
    await expect(systemOn(broken).execute(taskKind, 't1', submit, { ...BY, mustLand: true })).rejects.toThrow(
      'disk full',
    )
    expect(asked).toBe(1)
  })
})

describe('residents', () => {
  test('are bounded, and come back from their streams', async () => {
    const system = systemOn(openMemoryStore(), { residents: 10, exclusive: true })
    const ids = Array.from({ length: 100 }, (_, n) => `t${n}`)
    await Promise.all(ids.map((id) => system.execute(taskKind, id, submit, { ...BY, fresh: true })))
    expect(system.residents).toBeLessThanOrEqual(10)
    const states = await Promise.all(ids.map((id) => system.read(taskKind, id)))
    expect(new Set(states.map(({ state }) => state.value))).toEqual(new Set(['pending']))
    expect(system.residents).toBeLessThanOrEqual(10)
  })

  test('are not dropped while something is in flight, nor before they began', async () => {
    const gate = Promise.withResolvers<void>()
    const store = openMemoryStore()
    const system = systemOn(
      interrupting(store, () => gate.promise),
      { residents: 1, exclusive: true },
    )
    const first = system.execute(taskKind, 't1', submit, { ...BY, fresh: true })
    const second = system.execute(taskKind, 't2', submit, { ...BY, fresh: true })
    const after = system.execute(taskKind, 't2', start, BY)
    const look = system.read(taskKind, 't2')
    gate.resolve()
    await Promise.all([first, second, after])
    expect((await look).state.value).toBe('running')
    expect(await typesOf(store, 't2')).toEqual(['TaskSubmitted', 'TaskStarted'])
  })

  test('that are used longest ago go first', async () => {
    const system = systemOn(openMemoryStore(), { residents: 2, exclusive: true })
    for (const id of ['t1', 't2']) await system.execute(taskKind, id, submit, BY)
    await system.read(taskKind, 't1')
    await system.execute(taskKind, 't3', submit, BY)
    expect(['t1', 't2', 't3'].map((id) => system.peek<TaskCommand, TaskContext>(taskKind, id) !== undefined)).toEqual([
      true,
      false,
      true,
    ])
  })

  test('that are let go of are read again, unless they are at work', async () => {
    const gate = Promise.withResolvers<void>()
    const system = systemOn(
      interrupting(openMemoryStore(), () => gate.promise),
      { exclusive: true },
    )
    const submitted = system.execute(taskKind, 't1', submit, { ...BY, fresh: true })
    system.letGo(taskKind, 't1')
    expect(system.residents).toBe(1)
    gate.resolve()
    await submitted
    system.letGo(taskKind, 't1')
    system.letGo(taskKind, 'nobody')
    expect(system.residents).toBe(0)
    await system.execute(taskKind, 't1', start, BY)
    expect((await system.read(taskKind, 't1')).state.value).toBe('running')
  })

  test('with an inspector are mirrored by real XState actors', async () => {
    const seen: string[] = []
    const system = systemOn(openMemoryStore(), {
      inspect: (inspected) => {
        if (inspected.type === '@xstate.snapshot' && 'value' in inspected.snapshot)
          seen.push(String(inspected.snapshot.value))
      },
    })
    await runningTask(system)
    expect(seen).toEqual(expect.arrayContaining(['new', 'pending', 'running']))
  })
})

describe('a history', () => {
  // A promise: see docs/promises.md.
  test('with a fact that cannot follow is corrupt, at a stream and revision', async () => {
    const store = openMemoryStore()
    await systemOn(store).execute(taskKind, 't1', submit, BY)
    await forge(store, 'TaskCompleted', { claim: 'c', result: 1 })
    const system = systemOn(store)
    for (const command of [start, { type: 'cancel' } as const]) {
      const failed = system.execute(taskKind, 't1', command, BY)
      await expect(failed).rejects.toThrow(HistoryCorrupt)
      await expect(failed).rejects.toMatchObject({ stream: 'demo.task-t1', revision: 1n })
    }
    await expect(system.read(taskKind, 't1')).rejects.toThrow('TaskCompleted is not accepted in state pending')
    expect(await typesOf(store)).toEqual(['TaskSubmitted', 'TaskCompleted'])
  })

  test.each([
    ['type', 'TaskTeleported', 1],
    ['version of a type', 'TaskStarted', 2],
  ])('with a newer %s is left to newer code', async (_, type, v) => {
    const store = openMemoryStore()
    const system = systemOn(store)
    await system.execute(taskKind, 't1', submit, BY)
    await forge(store, type, { attempt: 1, node: 'n9' }, v)
    await expect(system.execute(taskKind, 't1', { type: 'requeue' }, BY)).rejects.toThrow(WrittenByNewerCode)
    await expect(systemOn(store).read(taskKind, 't1')).rejects.toThrow(`has ${type} version ${v}`)
    expect(await typesOf(store)).toHaveLength(2)
  })

  test('is a chain of hashes over every event, whoever appends', async () => {
    const store = openMemoryStore()
    const [one, two] = [systemOn(store), systemOn(store)]
    const claim = await runningTask(one)
    await two.execute(taskKind, 't1', { type: 'progress', claim, fraction: 0.5, message: 'ä €' }, BY)
    await one.execute(taskKind, 't1', { type: 'complete', claim, result: { b: 1, a: [1.5, null] } }, BY)
    let previous = GENESIS
    const events = await store.readStream('demo.task-t1')
    for (const event of events) {
      expect(event.metadata.hash).toBe(expectedHash(previous, event))
      previous = event.metadata.hash ?? ''
    }
    expect(events).toHaveLength(4)
    const [first, second] = events
    if (!first || !second) throw new Error('no events')
    expect(expectedHash(first.metadata.hash ?? '', { ...second, data: { ...second.data, node: 'other' } })).not.toBe(
      second.metadata.hash,
    )
  })
})

describe('an actor whose stream was deleted for good', () => {
  const cancel: TaskCommand = { type: 'cancel' }
  const revisionOf = async (store: EventStore, id = 't1') =>
    (await store.readStream(`demo.task-${id}`, { direction: 'backwards', limit: 1 }))[0]?.revision ?? 'no-stream'

  // A promise: see docs/promises.md.
  test.each([
    ['another node deleted it', false],
    ['this system, the sole owner, deleted it', true],
  ])('is as one that never was, though it was resident: %s', async (_, exclusive) => {
    const store = openMemoryStore()
    const system = systemOn(store, { exclusive })
    await runningTask(system)
    const revision = await revisionOf(store)
    if (exclusive) await system.deleteStream('demo.task-t1', revision)
    else await store.deleteStream('demo.task-t1', revision)
    expect(await system.read(taskKind, 't1')).toMatchObject({ state: { value: 'new' }, position: -1n })
    await expect(system.execute(taskKind, 't1', cancel, BY)).rejects.toThrow(CommandRefused)
    expect(system.peek(taskKind, 't1')?.value).toBe('new')
  })

  // A promise: see docs/promises.md.
  test.each([
    ['a command', {}],
    ['one for what is new', { fresh: true }],
    ['one that must land', { mustLand: true }],
    ['one that must land, for what is new', { fresh: true, mustLand: true }],
  ])('is not begun again, by %s, and nothing is asked twice', async (_, how) => {
    for (const exclusive of [false, true]) {
      let appends = 0
      const store = withAppend(openMemoryStore(), (append) => (...of) => {
        appends++
        return append(...of)
      })
      const system = systemOn(store, { exclusive })
      await system.execute(taskKind, 't1', submit, BY)
      await system.deleteStream('demo.task-t1', 0n)
      appends = 0
      for (let i = 1; i <= 2; i++) {
        const error = await system.execute(taskKind, 't1', submit, { ...BY, ...how }).catch((reason) => reason)
        expect(error).toBeInstanceOf(StreamDeleted)
        expect(error).toMatchObject({ stream: 'demo.task-t1' })
        expect(appends).toBe(i)
      }
      expect(await typesOf(store)).toEqual([])
    }
  })

  test('is found out by whoever decides on what it knew', async () => {
    const store = openMemoryStore()
    const [ours, theirs] = [systemOn(store), systemOn(store)]
    const claim = await runningTask(ours)
    await theirs.read(taskKind, 't1')
    await ours.deleteStream('demo.task-t1', 1n)
    // Theirs still holds the claim for good: the append finds the tombstone, and after that nothing is known any more.
    const complete: TaskCommand = { type: 'complete', claim, result: null }
    await expect(theirs.execute(taskKind, 't1', complete, { ...BY, mustLand: true })).rejects.toThrow(StreamDeleted)
    await expect(theirs.execute(taskKind, 't1', complete, { ...BY, mustLand: true })).rejects.toMatchObject({
      code: 'attempt-fenced',
    })
    // "Nothing to do" must not rest on what is gone either.
    await expect(theirs.execute(taskKind, 't1', submit, BY)).rejects.toThrow(StreamDeleted)
  })

  test('owes nobody a callback', async () => {
    const store = openMemoryStore()
    const system = systemOn(store)
    await store.deleteStream('demo.task-t1', 'no-stream')
    const settle: TaskCommand = { type: 'settleCallback', run: 1, url: 'http://x', tries: 1, status: 200 }
    expect((await system.execute(taskKind, 't1', settle, { ...BY, mustLand: true })).facts).toEqual([])
  })

  test('is deleted at the revision that was named, or not at all', async () => {
    const store = openMemoryStore()
    const system = systemOn(store, { exclusive: true })
    await runningTask(system)
    await expect(system.deleteStream('demo.task-t1', 0n)).rejects.toMatchObject({ code: 'wrong-expected-revision' })
    expect((await system.execute(taskKind, 't1', cancel, BY)).facts).toHaveLength(1)
  })

  test('is deleted in the end when the store gives no answer for a while', async () => {
    const memory = openMemoryStore()
    let answers = 0
    const clock = new ManualClock()
    const store: EventStore = {
      ...withAppend(memory, (append) => append),
      deleteStream: async (...of) => {
        await memory.deleteStream(...of)
        if (++answers < 3) throw unavailable()
      },
    }
    const system = systemOn(store, { clock })
    await system.execute(taskKind, 't1', submit, BY)
    const deleted = system.deleteStream('demo.task-t1', 0n)
    await clock.advance(1000)
    await deleted
    expect(answers).toBe(3)
  })
})
