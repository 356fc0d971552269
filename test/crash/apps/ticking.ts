/** A schedule that is due every second. */
import { createApp } from 'capsule-actors'

export const app = createApp({ name: 'work' })

app.schedule('tick', '* * * * * *', { overlap: 'parallel', missed: 'all' }, async () => {})
