import { setTimeout as sleep } from 'node:timers/promises'
import { createApp, currentSession, ui } from 'capsule-actors'
import { z } from 'zod'

export const app = createApp({ name: 'jobs-demo' })

export const buildReport = app.task(
  'build_report',
  {
    description: 'Builds a report.',
    input: z.object({ report_id: z.string().default('daily'), duration: z.number().default(5) }),
    retries: 1, // retries after the first attempt
    timeout: 120, // seconds, or '2m'
    lock: 'report:{report_id}', // or (input) => string
  },
  async ({ report_id, duration }, { session, signal, progress }) => {
    await session?.notify(`[${report_id}] starting`)
    for (let second = 0; second < duration; second++) {
      progress(second / duration, `${second} of ${duration} s`)
      await sleep(Math.min(1, duration - second) * 1000, undefined, { signal })
    }
    await session?.reply(`[${report_id}] finished after ${duration}s`)
    return { report_id, ok: true }
  },
)

app.message(async (session, message) => {
  const text = message.text.trim()
  if (text === 'run') {
    const handle = await buildReport.submit({ report_id: 'daily', duration: 5 }, { session })
    await session.showTask(handle, { message: 'Building daily report…' })
    await session.reply(`Submitted task ${handle.taskId}`)
  } else if (text.startsWith('schedule ')) {
    const delay = text.slice(9).trim() || '10m'
    const handle = await buildReport.schedule({ report_id: 'scheduled' }, { session, delay })
    await session.showTask(handle, { message: `Scheduled for +${delay}` })
    await session.reply(`Scheduled task ${handle.taskId}`)
  } else {
    await session.reply('Try: `run` or `schedule 10m`')
  }
})

app.schedule('weekday_digest', '0 9 * * 1-5', async () => {
  const owner = currentSession()?.user.ownerId ?? 'unknown'
  console.log(`preparing digest for ${owner}`)
})

app.page('Tasks', { icon: 'layout-grid' }, () =>
  ui.page([
    ui.taskBoard({ title: 'All tasks' }),
    ui.divider(),
    ui.taskBoard({
      title: 'build_report only',
      filter: { task_name: 'build_report' },
      columns: [
        ui.taskBoardColumn('Queued', ['pending', 'scheduled', 'retry']),
        ui.taskBoardColumn('Running', ['running']),
        ui.taskBoardColumn('Done', ['completed']),
        ui.taskBoardColumn('Failed', ['failed', 'cancelled', 'timeout']),
      ],
    }),
  ]),
)
