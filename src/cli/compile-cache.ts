/**
 * What Node compiled at one start is kept for the next, which then takes half the time: that counts most after a crash.
 * In the user's own cache directory, for compiled code that others could put there would be run.
 */
import { enableCompileCache, flushCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

/**
 * Call before what is to be kept is imported. Threads, and processes of tasks, use the same directory.
 * @param homeOf throws for a user that the machine does not know, as containers and services may run as
 */
export function useCompileCache(homeOf: () => string = homedir): void {
  const { NODE_COMPILE_CACHE, NODE_DISABLE_COMPILE_CACHE, XDG_CACHE_HOME } = process.env
  if (NODE_COMPILE_CACHE !== undefined || NODE_DISABLE_COMPILE_CACHE !== undefined) return
  const home = XDG_CACHE_HOME ?? cacheIn(homeOf)
  if (home === undefined) return
  const directory = join(home, 'capsule-actors')
  // Without a directory to write to it does without.
  if (enableCompileCache(directory).directory !== undefined) process.env.NODE_COMPILE_CACHE = directory
}

function cacheIn(homeOf: () => string): string | undefined {
  try {
    return join(homeOf(), '.cache')
  } catch {
    return undefined
  }
}

/** Writes it now: a process that is killed never comes to write it at its end. */
export function keepCompiled(): void {
  flushCompileCache()
}
