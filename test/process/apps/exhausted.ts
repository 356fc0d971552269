/** Runs the app of process tasks where no file can be opened any more, and says whether it goes on. */
import { closeSync, openSync } from 'node:fs'
import { startApp } from 'capsule-actors'
import { app, helper, whoAmI } from './apart.ts'

const engine = await startApp(app, { data: 'memory' })
const open: number[] = []
try {
  for (;;) open.push(openSync('/dev/null', 'r'))
} catch {}
const handles = await Promise.all([whoAmI.submit({}), whoAmI.submit({}), whoAmI.submit({})])
await Promise.allSettled(handles.map((handle) => handle.result({ timeout: '10s' })))
await (await helper.submit({ of: 'others' })).result()
for (const file of open) closeSync(file)
await (await whoAmI.submit({})).result({ timeout: '10s' })
await engine.stop({ drainMs: 0 })
console.log('went on')
