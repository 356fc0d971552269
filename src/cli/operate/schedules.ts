/** capsule schedules: what recurs, and running, pausing or resuming it. */
import type { Command } from 'commander'
import { z } from 'zod'
import { schedule as scheduleSchema } from '../../http/index.ts'
import { print } from '../output.ts'
import { type Cell, inColumns } from '../table.ts'
import { asLines, type OperateFlags, serverOf, withName, withServer } from './server.ts'

type Schedule = z.output<typeof scheduleSchema>

export function registerSchedules(program: Command): void {
  const schedules = withServer(program.command('schedules').description('the schedules of a running server'))
    .addHelpText('after', '\nExamples:\n  capsule schedules\n  capsule schedules trigger weekday_digest')
    .action(list)
  withName(schedules.command('trigger').description('runs it now, outside its cron'), 'schedule', trigger)
  const pause = schedules.command('pause').description('its occurrences are skipped from now on')
  withName(pause, 'schedule', (name, flags) => change(name, 'pause', flags))
  const resume = schedules.command('resume').description('goes on with it')
  withName(resume, 'schedule', (name, flags) => change(name, 'resume', flags))
}

async function list(flags: OperateFlags): Promise<void> {
  const schedules = await serverOf(flags).get('/api/v1/schedules', z.array(scheduleSchema))
  if (flags.json) await print(asLines(schedules))
  else if (schedules.length === 0) await print('No schedules.\n')
  else await print(inColumns([['name', 'cron', 'time zone', 'next', 'last', ''], ...schedules.map(row)]))
}

function row({ name, cron, timezone, next_at: next, paused, removed, last, meaning }: Schedule): readonly Cell[] {
  const due = removed ? 'removed' : paused ? 'paused' : (next ?? '')
  const [newest] = last
  const ended = newest === undefined ? '' : (newest.status ?? `skipped (${newest.reason})`)
  return [name, cron, timezone, due, ended, meaning]
}

async function trigger(name: string, flags: OperateFlags): Promise<void> {
  const done = await serverOf(flags).post(`${pathOf(name)}/$trigger`, z.object({ job_id: z.string() }))
  await print(flags.json ? asLines([done]) : `${name} runs as ${done.job_id}.\n`)
}

async function change(name: string, what: 'pause' | 'resume', flags: OperateFlags): Promise<void> {
  const schedule = await serverOf(flags).post(`${pathOf(name)}/$${what}`, scheduleSchema)
  const told = schedule.paused
    ? 'is paused.'
    : `goes on${schedule.next_at === null ? '' : `, next at ${schedule.next_at}`}.`
  await print(flags.json ? asLines([schedule]) : `${name} ${told}\n`)
}

function pathOf(name: string): string {
  return `/api/v1/schedules/${encodeURIComponent(name)}`
}
