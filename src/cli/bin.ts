#!/usr/bin/env node
/** The executable `capsule`. It imports nothing before it knows that this Node can run it, and what it compiles is kept. */
const major = Number(process.versions.node.split('.')[0])
if (major >= 24) {
  const { useCompileCache } = await import('./compile-cache.ts')
  useCompileCache()
  if (process.argv[2] === 'serve' || process.argv[2] === 'worker') {
    // Beside all the rest of what is loaded: how soon an app works again after a crash is how soon its threads are there.
    const { warmReadModels } = await import('../projections/index.ts')
    warmReadModels()
  }
  await import('./main.ts')
} else {
  process.stderr.write(
    `capsule needs Node 24 or newer; this is ${process.version}. Install it from https://nodejs.org.\n`,
  )
  process.exitCode = 1
}
