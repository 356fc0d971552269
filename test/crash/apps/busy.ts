/** Tasks in processes of their own, which every server of this app keeps ready. */
import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { createApp, runShell } from 'capsule-actors'
import { z } from 'zod'

export const app = createApp({ name: 'work', entry: import.meta.url })

/** Busy for ever in its first attempt, with a process beside it. */
app.task('busy', { process: true, input: z.object({ file: z.string() }) }, async ({ file }, { attempt }) => {
  if (attempt > 1) return { attempt }
  const grandchild = spawn('sleep', ['600'], { stdio: 'ignore' })
  await writeFile(file, JSON.stringify({ pid: process.pid, grandchild: grandchild.pid }))
  for (;;);
})

app.task(
  'shell',
  { process: true, onInterrupt: 'fail', input: z.object({ command: z.string() }) },
  async ({ command }, { signal }) => ({ ...(await runShell(command, { signal })) }),
)
