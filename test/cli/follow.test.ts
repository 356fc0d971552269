/** How long a command follows a job whose server does not answer. */
import { expect, it, onTestFinished, vi } from 'vitest'
import { type Client, ServerSilent } from '../../src/cli/client.ts'
import { follow } from '../../src/cli/operate/job.ts'

it('is a minute, and then it says which job it was', async () => {
  let now = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now)
  onTestFinished(() => clock.mockRestore())
  let asked = 0
  const client: Pick<Client, 'get'> = {
    get: () => {
      asked += 1
      now += 25_000
      return Promise.reject(new ServerSilent('No server answers at http://127.0.0.1:1.'))
    },
  }
  await expect(follow(client, 'j-1', () => {})).rejects.toThrow(
    'No server answers at http://127.0.0.1:1. Job j-1 is recorded there: capsule jobs j-1.',
  )
  expect(asked).toBe(3)
})
