/** The tutorial with durations that a test can choose: `run 2`, `schedule 1s`, `hold` (until the test makes a file). */
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp, ui } from 'capsule-actors'
import { z } from 'zod'

export const app = createApp({ name: 'tutorial' })

const buildReport = app.task(
  'build_report',
  { input: z.object({ report_id: z.string(), duration: z.number() }), retries: 1, timeout: 120 },
  async ({ report_id, duration }, { session, signal }) => {
    await session?.notify(`[${report_id}] starting`)
    await sleep(duration * 1000, undefined, { signal })
    while (report_id.startsWith('hold') && !existsSync(process.env.GATE ?? '')) await sleep(20, undefined, { signal })
    await session?.reply(`[${report_id}] finished after ${duration}s`, { id: 'finished' })
    return { report_id, ok: true }
  },
)

app.message(async (session, message) => {
  const [command, argument = '1'] = message.text.trim().split(' ')
  const report = `${command}-${argument}`
  const handle =
    command !== 'schedule'
      ? await buildReport.submit({ report_id: report, duration: Number(argument) }, { session })
      : await buildReport.schedule({ report_id: report, duration: 0.5 }, { session, delay: argument })
  await session.showTask(handle, { message: `Building ${report}` })
  await session.reply(`Submitted ${report}`)
})

app.page('Tasks', { icon: 'layout-grid' }, () =>
  ui.page([
    ui.taskBoard({ title: 'All tasks' }),
    ui.divider(),
    ui.taskBoard({ title: 'build_report only', filter: { task_name: 'build_report' } }),
  ]),
)
