/** A command whose words cannot be written has failed. */
import { afterEach, expect, it, vi } from 'vitest'
import { CommandFailed } from '../../src/cli/errors.ts'
import { print } from '../../src/cli/output.ts'

afterEach(() => vi.restoreAllMocks())

function refuseWith(code: string): void {
  const error = Object.assign(new Error(`${code}: no`), { code })
  vi.spyOn(process.stdout, 'write').mockImplementation((...args: unknown[]) => {
    const taken = args.at(-1)
    if (typeof taken === 'function') taken(error)
    return false
  })
}

it('says so when there is no room for what is printed', async () => {
  refuseWith('ENOSPC')
  const printed = print('the only copy of a key')
  await expect(printed).rejects.toBeInstanceOf(CommandFailed)
  await expect(printed).rejects.toThrow(
    'What this prints cannot be written (ENOSPC: no). Make room, or send it elsewhere.',
  )
})

it('tells when nobody reads any more, which is no failure', async () => {
  refuseWith('EPIPE')
  expect(await print('a line')).toBe(false)
})
