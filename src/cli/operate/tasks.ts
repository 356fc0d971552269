/** capsule tasks: what the app can do, and holding some of it back. */
import type { Command } from 'commander'
import { z } from 'zod'
import { taskInfo } from '../../http/index.ts'
import { print } from '../output.ts'
import { inColumns } from '../table.ts'
import { taskPath } from './params.ts'
import { asLines, type OperateFlags, serverOf, withName, withServer } from './server.ts'

export function registerTasks(program: Command): void {
  const tasks = withServer(program.command('tasks').description('the tasks that a running server knows'))
    .option('--tag <tag>', 'only those with this tag')
    .addHelpText('after', '\nExamples:\n  capsule tasks\n  capsule tasks pause build_report')
    .action(list)
  const pause = tasks.command('pause').description('starts no more of it, on any node; what runs goes on')
  withName(pause, 'task', (name, flags) => hold(name, 'pause', flags))
  const resume = tasks.command('resume').description('starts it again')
  withName(resume, 'task', (name, flags) => hold(name, 'resume', flags))
}

async function list(flags: OperateFlags & { readonly tag?: string }): Promise<void> {
  const query = flags.tag === undefined ? '' : `?${new URLSearchParams({ tags: flags.tag })}`
  const tasks = await serverOf(flags).get(`/api/v1/tasks${query}`, z.array(taskInfo))
  if (flags.json) await print(asLines(tasks))
  else if (tasks.length === 0) await print('No tasks.\n')
  else {
    const rows = tasks.map(({ name, signature, docstring, tags, paused }) => [
      name,
      signature,
      tags.join(', '),
      [...(paused ? ['paused'] : []), ...(docstring?.split('\n', 1) ?? [])].join(': '),
    ])
    await print(inColumns([['name', 'input', 'tags', ''], ...rows]))
  }
}

const held = z.object({ name: z.string(), paused: z.boolean() })

async function hold(name: string, what: 'pause' | 'resume', flags: OperateFlags): Promise<void> {
  const task = await serverOf(flags).post(`${taskPath(name)}/$${what}`, held)
  const told = task.paused ? 'is paused: what is submitted waits.' : 'goes on.'
  await print(flags.json ? asLines([task]) : `${task.name} ${told}\n`)
}
