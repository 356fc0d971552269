/** What was compiled is kept for the user, and not at all for one that has no home. */
import { afterEach, expect, it, vi } from 'vitest'
import { useCompileCache } from '../../src/cli/compile-cache.ts'

afterEach(() => vi.unstubAllEnvs())

it('is not needed: a user whom the machine does not know can run the command', () => {
  for (const name of ['NODE_COMPILE_CACHE', 'NODE_DISABLE_COMPILE_CACHE', 'XDG_CACHE_HOME']) vi.stubEnv(name, undefined)
  const nobody = (): string => {
    throw new Error('uv_os_homedir returned ENOENT')
  }
  expect(() => useCompileCache(nobody)).not.toThrow()
  expect(process.env.NODE_COMPILE_CACHE).toBeUndefined()
})
