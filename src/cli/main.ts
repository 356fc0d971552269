/** `capsule` as a process, once bin.ts knows that this Node can run it: how its output and its end are seen to. */
import { bearOutput, handedOver } from './output.ts'
import { execute } from './program.ts'

bearOutput()
process.exitCode = await execute(process.argv.slice(2))
await handedOver()
// What user code left open (a timer, a socket) does not keep a stopped app alive.
process.exit()
