/** Tasks that do nothing, for bench/http.ts. */
import { createApp } from 'capsule-actors'

const app = createApp({ name: 'noop' })
app.task('noop', async () => {})

export default app
