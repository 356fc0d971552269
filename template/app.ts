/** The whole app: a chat, work in the background, a schedule and a page. `npm start` serves it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp, ui } from 'capsule-actors'
import { z } from 'zod'

// All that is recorded is kept under this name: with another one the app starts from nothing.
export const app = createApp({ name: 'my-app' })

// A task is recorded before it runs. After a crash it runs again: what it does must bear being done twice.
export const buildReport = app.task(
  'build_report',
  {
    description: 'Builds a report, page by page.',
    input: z.object({ pages: z.int().min(1).max(100).default(10) }),
    retries: 2, // attempts after the first one
    timeout: '5m', // of each attempt
  },
  async ({ pages }, { taskId, session, signal, progress }) => {
    for (let page = 0; page < pages; page++) {
      progress(page / pages, `${page} of ${pages} pages`)
      // In place of your work. The signal ends it on a cancel, a timeout or a stop.
      await sleep(500, undefined, { signal })
    }
    // The id makes it one reply, however often the task runs.
    await session?.reply(`The report has ${pages} pages.`, { id: `report-${taskId}` })
    return { pages }
  },
)

// Answers what people write in the chat.
app.message(async (session, message) => {
  if (message.text.trim() !== 'report') {
    await session.reply('Write `report`, and one is built.')
    return
  }
  const handle = await buildReport.submit({}, { session })
  await session.showTask(handle, { message: 'Building a report…' })
})

// On weekdays at nine. The key makes it one report for each due time, even if this runs twice.
app.schedule('morning_report', '0 9 * * 1-5', { timezone: 'UTC' }, async ({ due }) => {
  await buildReport.submit({ pages: 3 }, { idempotencyKey: `morning-${due.toISOString()}` })
})

app.page('Tasks', { icon: 'layout-grid' }, () => ui.page([ui.taskBoard({ title: 'All tasks' })]))
