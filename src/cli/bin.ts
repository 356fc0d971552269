#!/usr/bin/env node
/** The executable `capsule`. It imports nothing before it knows that this Node can run it, and what it compiles is kept. */
const major = Number(process.versions.node.split('.')[0])
if (major >= 24) {
  const { useCompileCache } = await import('./compile-cache.ts')
  useCompileCache()
  // One that watches starts no app: the server that it starts is another process.
  if ((process.argv[2] === 'serve' || process.argv[2] === 'worker') && !process.argv.includes('--watch')) {
    const { startAhead } = await import('../events/threads.ts')
    startAhead('capsule-read-models')
    if (!process.env.EVENTSTORE_URL) startAhead('capsule-log-writer')
  }
  await import('./main.ts')
} else {
  process.stderr.write(
    `capsule needs Node 24 or newer; this is ${process.version}. Install it from https://nodejs.org.\n`,
  )
  process.exitCode = 1
}
