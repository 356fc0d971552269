/** The app of the crash tests after a bad deploy: its tasks are gone. */
import { createApp } from 'capsule-actors'

export const app = createApp({ name: 'work' })

app.task('unrelated', async () => {})
