/** What was used lately, and what has to go to make room. */
import { describe, expect, it } from 'vitest'
import { RecentlyUsed } from '../../src/actors/recently-used.ts'

const anybody = () => true
const nobody = () => false

function filled(keys: string): RecentlyUsed<string> {
  const used = new RecentlyUsed<string>()
  for (const key of keys) used.add(key, key.toUpperCase())
  return used
}

function left(used: RecentlyUsed<string>, keys: string): string {
  return [...keys].filter((key) => used.peek(key) !== undefined).join('')
}

describe('what was used lately', () => {
  it('goes in the order in which it came, but what was used since is spared once, a look aside', () => {
    const used = filled('abcd')
    expect(used.use('a')).toBe('A')
    expect(used.peek('b')).toBe('B')
    used.trim(2, anybody)
    expect(left(used, 'abcd')).toBe('ad')
    expect(used.size).toBe(2)
    expect(used.use('b')).toBeUndefined()
    used.add('e', 'E')
    used.trim(1, anybody)
    expect(left(used, 'abcde')).toBe('e')
  })

  it('stays while it must, however full it is', () => {
    const used = filled('abcd')
    used.trim(2, (value) => value !== 'A' && value !== 'C')
    expect(left(used, 'abcd')).toBe('ac')
    used.trim(0, nobody)
    expect(used.size).toBe(2)
    // Whoever stayed counts as used: the next to go is the one that came after.
    used.add('e', 'E')
    used.trim(2, anybody)
    expect(used.size).toBe(2)
    expect(used.peek('e')).toBe('E')
  })

  it('goes alone when it is named, and makes no trouble when it is gone already', () => {
    const used = filled('abc')
    used.drop('b', nobody)
    expect(left(used, 'abc')).toBe('abc')
    used.drop('b', anybody)
    used.drop('b', anybody)
    used.drop('nobody', anybody)
    expect(left(used, 'abc')).toBe('ac')
    used.add('b', 'B')
    used.trim(1, anybody)
    expect(left(used, 'abc')).toBe('b')
  })

  it('keeps its bound over many rounds', () => {
    const used = new RecentlyUsed<number>()
    for (let i = 0; i < 10_000; i++) {
      used.trim(9, anybody)
      used.add(String(i), i)
      if (i % 3 === 0) used.drop(String(i - 1), anybody)
    }
    expect(used.size).toBeLessThanOrEqual(10)
    expect(used.peek('9999')).toBe(9999)
  })
})
