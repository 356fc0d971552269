import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fifo, OwnFirst, ReadyQueue } from '../../src/execution/ready-queue.ts'

interface Item {
  readonly ownerId: string
  readonly priority: number
  readonly n: number
}

const items = fc
  .array(fc.tuple(fc.constantFrom('ada', 'bob', 'eve'), fc.integer({ min: -1, max: 2 })), { maxLength: 60 })
  .map((all) => all.map(([ownerId, priority], n): Item => ({ ownerId, priority, n })))

function drained(queue: ReadyQueue<Item>): Item[] {
  const out: Item[] = []
  for (let item = queue.shift(); item; item = queue.shift()) out.push(item)
  return out
}

function filled(all: readonly Item[]): ReadyQueue<Item> {
  const queue = new ReadyQueue<Item>()
  for (const item of all) queue.push(item)
  return queue
}

describe('what is ready', () => {
  test('comes out once each, and is counted', () => {
    fc.assert(
      fc.property(items, (all) => {
        const queue = filled(all)
        expect(queue.size).toBe(all.length)
        expect(
          drained(queue)
            .map(({ n }) => n)
            .sort((a, b) => a - b),
        ).toEqual(all.map(({ n }) => n))
        expect(queue.size).toBe(0)
        expect(queue.shift()).toBeUndefined()
      }),
    )
  })

  test('comes out by priority, and first come first served for one owner', () => {
    fc.assert(
      fc.property(items, (all) => {
        const out = drained(filled(all))
        expect(out.map(({ priority }) => priority)).toEqual(all.map(({ priority }) => priority).sort((a, b) => b - a))
        for (const owner of ['ada', 'bob', 'eve']) {
          for (const priority of [-1, 0, 1, 2]) {
            const numbers = out.filter((item) => item.ownerId === owner && item.priority === priority).map(({ n }) => n)
            expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
          }
        }
      }),
    )
  })

  // Each priority that there ever was made every later task dearer, and none was let go.
  test('costs no more for all the priorities there were before', () => {
    const queue = new ReadyQueue<Item>()
    const started = performance.now()
    for (let n = 0; n < 20_000; n++) {
      queue.push({ ownerId: 'ada', priority: -n, n })
      expect(queue.shift()?.n === n).toBe(true)
    }
    // Takes some 50 ms; it took 10 s and more.
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  test('is taken from the owners in turn: while two wait, neither gets two in a row', () => {
    fc.assert(
      fc.property(items, (all) => {
        const same = all.map((item) => ({ ...item, priority: 0 }))
        const out = drained(filled(same))
        out.forEach(({ ownerId }, index) => {
          const others = out.slice(index + 1).some((later) => later.ownerId !== ownerId)
          if (others) expect(out[index + 1]?.ownerId).not.toBe(ownerId)
        })
      }),
    )
  })

  test('holds one who submits a thousand back for nobody else', () => {
    const queue = new ReadyQueue<Item>()
    for (let n = 0; n < 1000; n++) queue.push({ ownerId: 'ada', priority: 0, n })
    queue.shift()
    queue.push({ ownerId: 'bob', priority: 0, n: 1000 })
    expect([queue.shift(), queue.shift()].map((item) => item?.ownerId)).toContain('bob')
  })
})

test('what prefers this node comes before what was left to others, whatever its priority', () => {
  const queue = new OwnFirst<Item & { readonly leftMs: number }>()
  queue.push({ ownerId: 'ada', priority: 9, n: 1, leftMs: 200 })
  queue.push({ ownerId: 'ada', priority: 0, n: 2, leftMs: 0 })
  queue.push({ ownerId: 'ada', priority: 1, n: 3, leftMs: 0 })
  expect(queue.size).toBe(3)
  expect([queue.shift(false), queue.shift(false), queue.shift(false)].map((item) => item?.n)).toEqual([3, 2, undefined])
  for (const [n, priority] of [
    [2, 0],
    [3, 1],
  ] as const)
    queue.push({ ownerId: 'ada', priority, n, leftMs: 0 })
  expect([queue.shift(), queue.shift(), queue.shift()].map((item) => item?.n)).toEqual([3, 2, 1])
  expect(queue.shift()).toBeUndefined()
})

test('of what was left to others comes first what was left to the fewest, from the end', () => {
  const queue = new OwnFirst<Item & { readonly leftMs: number }>()
  for (const [n, leftMs] of [400, 200, 400, 200, 200].entries()) {
    queue.push({ ownerId: 'ada', priority: 0, n, leftMs })
  }
  queue.push({ ownerId: 'ada', priority: 1, n: 5, leftMs: 200 })
  expect(Array.from({ length: 6 }, () => queue.shift()?.n)).toEqual([5, 4, 3, 1, 2, 0])
  expect(queue.size).toBe(0)
})

test('a fifo also gives back what came last', () => {
  const fifo = new Fifo<number>()
  for (let n = 0; n < 4; n++) fifo.push(n)
  expect([fifo.pop(), fifo.shift(), fifo.pop(), fifo.size, fifo.shift(), fifo.pop()]).toEqual([
    3,
    0,
    2,
    1,
    1,
    undefined,
  ])
})

test('a fifo gives back in order while both ends move', () => {
  const fifo = new Fifo<number>()
  const out: (number | undefined)[] = []
  for (let n = 0; n < 5000; n++) {
    fifo.push(n)
    if (n % 3 !== 0) out.push(fifo.shift())
  }
  while (fifo.size > 0) out.push(fifo.shift())
  expect(out).toEqual(Array.from({ length: 5000 }, (_, n) => n))
  expect(fifo.shift()).toBeUndefined()
})
