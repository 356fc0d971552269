/** The commands that operate a server, in this process: what they ask for and what they print. */
import { Readable } from 'node:stream'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { z } from 'zod'
import { createApp } from '../../src/app/index.ts'
import { ownVersion } from '../../src/events/index.ts'
import { served } from '../http/serving.ts'
import { here, type Outcome } from './here.ts'

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'

async function demo() {
  const app = createApp({ name: 'demo' })
  const gate = Promise.withResolvers<void>()
  const report = z.object({ report_id: z.string().default('daily'), pages: z.number().default(1) })
  app.task(
    'build_report',
    { description: 'Builds it.\nIn parts.', input: report, tags: ['reports'] },
    async (input, { log }) => {
      await log('building', { pages: input.pages })
      await log('in two\nlines, and \u001b[31min red')
      return input
    },
  )
  app.task('broken', async () => {
    throw new RangeError('too \u001b[31mfar')
  })
  app.task('held', { lock: 'one', onLocked: 'queue' }, async (_, { progress }) => {
    progress(0.4, 'half way')
    await gate.promise
  })
  app.schedule('digest', '0 9 * * 1-5', async () => {})
  const { url } = await served(app)
  onTestFinished(() => gate.resolve())
  return { gate, operate: (...args: string[]) => here([...args, '--url', url]) }
}

const objects = ({ stdout }: Outcome) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

async function submitted(of: Awaited<ReturnType<typeof demo>>, ...args: string[]): Promise<string> {
  const outcome = await of.operate('submit', ...args, '--json')
  expect(outcome).toMatchObject({ code: 0, stderr: '' })
  return objects(outcome)[0].id
}

describe('capsule tasks', () => {
  it('shows what the app can do', async () => {
    const { operate } = await demo()
    expect((await operate('tasks')).stdout).toBe(
      'name          input                                             tags\n' +
        "broken        ()\nbuild_report  (report_id: string = 'daily', pages: number = 1)  reports  Builds it.\nheld          ()\n",
    )
    expect(objects(await operate('tasks', '--tag', 'reports', '--json')).map(({ name }) => name)).toEqual([
      'build_report',
    ])
    expect((await operate('tasks', '--tag', 'none')).stdout).toBe('No tasks.\n')
  })

  it('pauses one and has it go on', async () => {
    const of = await demo()
    expect((await of.operate('tasks', 'pause', 'build_report')).stdout).toBe(
      'build_report is paused: what is submitted waits.\n',
    )
    // One that nothing waits for is not forgotten.
    expect((await of.operate('tasks')).stdout).toContain('  reports  paused: Builds it.\n')
    const id = await submitted(of, 'build_report')
    expect((await of.operate('jobs', id)).stdout).toMatch(
      /\nstatus +pending, waits for an operator to resume build_report\n/,
    )
    expect(objects(await of.operate('tasks', 'resume', 'build_report', '--json'))).toEqual([
      { name: 'build_report', paused: false },
    ])
    expect(objects(await of.operate('tasks', '--json')).map(({ paused }) => paused)).toEqual([false, false, false])
    expect(await of.operate('tasks', 'pause', 'nope')).toMatchObject({ code: 1, stdout: '' })
  })
})

describe('capsule --version', () => {
  it('says which version of the package the command is of', async () => {
    expect(await here(['--version'])).toEqual({ code: 0, stdout: `${ownVersion()}\n`, stderr: '' })
  })
})

describe('capsule audit show', () => {
  it('says so where nothing had happened by then', async () => {
    const of = await demo()
    const id = await submitted(of, 'build_report')
    const { code, stdout, stderr } = await of.operate('audit', 'show', `task-${id}`, '--as-of', '2001-01-01T00:00:00Z')
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toMatch(
      new RegExp(`^Nothing had happened in task-${id} by then: it began on .+, at position \\d+\\.\n$`),
    )
  })

  it('leads from the id of a job to its stream', async () => {
    const of = await demo()
    const id = await submitted(of, 'build_report')
    const { code, stderr } = await of.operate('audit', 'show', id)
    expect(code).toBe(1)
    expect(stderr).toContain(
      `There is no stream ${id} in the log. Of a job it is task-${id}, of a conversation session-${id}.`,
    )
  })
})

describe('capsule submit', () => {
  it('takes its input as JSON, value by value, and from standard input', async () => {
    const of = await demo()
    const ran = async (...args: string[]) =>
      objects(await of.operate('submit', 'build_report', ...args, '--wait', '--json'))[0].params
    expect(await ran('{"report_id": "q3", "pages": 2}')).toEqual({ report_id: 'q3', pages: 2 })
    // What looks like a number is the text that the task wants.
    expect(await ran('--param', 'report_id=7', '--param', 'pages=3')).toEqual({ report_id: '7', pages: 3 })
    expect(await ran('{"report_id": "q3"}', '--param', 'report_id=a=b')).toEqual({ report_id: 'a=b', pages: 1 })
    const typed = vi.spyOn(process, 'stdin', 'get').mockReturnValue(Readable.from(['{"pages":', '4}']) as never)
    onTestFinished(() => typed.mockRestore())
    expect(await ran('-')).toEqual({ report_id: 'daily', pages: 4 })
  })

  it('tells the id, or with --wait the result, or why there is none', async () => {
    const { operate } = await demo()
    expect((await operate('submit', 'held')).stdout).toMatch(new RegExp(`^${UUID} held running\n$`))
    expect((await operate('submit', 'build_report', '--delay', '1h')).stdout).toMatch(/ build_report scheduled\n$/)
    expect(await operate('submit', 'build_report', '--wait')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/ build_report completed in \d+ ms: \{"report_id":"daily","pages":1\}\n$/),
    })
    const broken = await operate('submit', 'broken', '--wait')
    expect(broken).toMatchObject({ code: 1, stdout: '' })
    expect(broken.stderr).toMatch(
      new RegExp(
        `^capsule: broken ended as failed \\(RangeError: too  ?\\[31mfar\\)\\. See capsule jobs ${UUID}, or capsule logs ${UUID}\\.\n$`,
      ),
    )
    expect(await operate('submit', 'broken', '--wait', '--json')).toMatchObject({ code: 1, stderr: '' })
  })

  it('is the same job with the same key', async () => {
    const of = await demo()
    const args = ['build_report', '--idempotency-key', 'k', '--priority', '7']
    expect(await submitted(of, ...args)).toBe(await submitted(of, ...args))
    const other = await of.operate('submit', 'build_report', '--idempotency-key', 'k', '--param', 'pages=2')
    expect(other).toMatchObject({ code: 1, stdout: '' })
  })

  it.for([
    { args: ['submit', 'nope'], code: 1, says: 'Known tasks: build_report, broken, held' },
    { args: ['submit', 'build_report', '{"pages": "x"}'], code: 1, says: 'pages' },
    { args: ['submit', 'build_report', '{pages'], code: 2, says: 'no JSON' },
    { args: ['submit', 'build_report', '[1]'], code: 2, says: 'no object' },
    { args: ['submit', 'build_report', '--param', 'pages'], code: 2, says: 'Give a name and a value' },
    { args: ['submit', 'build_report', '--priority', 'high'], code: 2, says: 'Give a whole number' },
    { args: ['submit', 'build_report', '--delay', 'soon'], code: 1, says: 'delay' },
    { args: ['submit', 'build_report', '--run-at', 'soon'], code: 1, says: 'run_at' },
    { args: ['submit', 'build_report', '--callback-url', 'ftp://example.org'], code: 1, says: 'callback_url' },
    { args: ['jobs', '--status', 'done'], code: 2, says: 'Allowed choices are pending' },
    { args: ['jobs', '--since', 'yesterday'], code: 2, says: '90m' },
    { args: ['jobs', '--limit', '0'], code: 2, says: 'Give a whole number from 1' },
    { args: ['jobs', 'nope'], code: 1, says: 'no job "nope"' },
    { args: ['logs', 'nope'], code: 1, says: 'no job "nope"' },
    { args: ['cancel'], code: 2, says: 'Which jobs?' },
    { args: ['cancel', 'a', '--all'], code: 2, says: 'Give one of them' },
    { args: ['retry', '--all', '--task', 'held'], code: 2, says: 'Give one of them' },
    { args: ['schedules', 'trigger', 'nope'], code: 1, says: 'nope' },
  ])('refuses $args', async ({ args, code, says }) => {
    const { operate } = await demo()
    const outcome = await operate(...args)
    expect(outcome).toMatchObject({ code, stdout: '' })
    expect(outcome.stderr).toContain(says)
  })
})

describe('capsule jobs', () => {
  it('shows a table, newest first, with what one wants to know of each', async () => {
    const of = await demo()
    const ran = await submitted(of, 'build_report', '--wait')
    const failed = objects(await of.operate('submit', 'broken', '--wait', '--json'))[0].id
    const held = await submitted(of, 'held')
    const waits = await submitted(of, 'held')
    const later = await submitted(of, 'build_report', '--param', 'report_id=q3', '--delay', '90m')
    await vi.waitFor(async () => expect((await of.operate('jobs', held)).stdout).toContain('running, 40 % half way'))
    const { stdout } = await of.operate('jobs')
    const lines = stdout.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^id +task +title +status +age$/)
    expect(lines.slice(1).map((line) => line.replaceAll(/ +/g, ' '))).toEqual([
      expect.stringMatching(new RegExp(`^${later} build_report q3 scheduled 0s due in 1h$`)),
      expect.stringMatching(new RegExp(`^${waits} held pending \\d+s waits for lock one`)),
      expect.stringMatching(new RegExp(`^${held} held running \\d+s 40 % half way$`)),
      expect.stringMatching(new RegExp(`^${failed} broken failed \\d+s RangeError: too \\[31mfar$`)),
      expect.stringMatching(new RegExp(`^${ran} build_report daily completed \\d+s in \\d+ ms$`)),
    ])
    expect(stdout).not.toContain('\u001b')
  })

  it('shows those of a filter, as many as are wanted, and says that there are more', async () => {
    const of = await demo()
    await of.operate('submit', 'broken', '--wait')
    for (const report of ['a', 'b', 'a'])
      await submitted(of, 'build_report', '--param', `report_id=${report}`, '--wait')
    const found = async (...args: string[]) =>
      objects(await of.operate('jobs', '--json', ...args)).map(({ title }) => title)
    expect(await found('--task', 'build_report')).toEqual(['a', 'b', 'a'])
    expect(await found('--param', 'report_id=a')).toEqual(['a', 'a'])
    expect(await found('--status', 'failed', 'timeout')).toEqual(['broken'])
    expect(await found('--since', '1h', '--tag', 'reports', '--limit', '2')).toEqual(['a', 'b'])
    expect((await of.operate('jobs', '--until', '1h')).stdout).toBe('No jobs.\n')
    expect((await of.operate('jobs', '--limit', '2')).stderr).toBe('2 of 4 jobs: --limit shows more.\n')
    expect((await of.operate('jobs', '--limit', '4')).stderr).toBe('')
  })

  it('shows one in full', async () => {
    const of = await demo()
    const id = await submitted(of, 'build_report', '--wait')
    const { stdout } = await of.operate('jobs', id)
    expect(stdout).toMatch(new RegExp(`^id +${id}\ntask +build_report\nstatus +completed, in \\d+ ms\n`))
    expect(stdout).toContain('params     {"report_id":"daily","pages":1}\nresult     {"report_id":"daily","pages":1}\n')
    expect(objects(await of.operate('jobs', id, '--json'))[0]).toMatchObject({ id, status: 'completed' })
  })
})

describe('capsule cancel and retry', () => {
  it('take jobs by their ids: one that is refused is told of, and holds up none', async () => {
    const of = await demo()
    const held = await submitted(of, 'held')
    const waits = await submitted(of, 'held')
    const { code, stdout, stderr } = await of.operate('cancel', waits, 'nope', held)
    expect({ code, stdout }).toEqual({
      code: 1,
      stdout: `${waits} held cancelled, by user:local\n${held} held running, asked to stop\n`,
    })
    expect(stderr).toMatch(/^capsule: [^\n]*no job "nope"[^\n]*\n$/)
    expect((await of.operate('retry', waits)).stdout).toMatch(new RegExp(`^${waits} held (pending|running)`))
  })

  it('take all of a filter', async () => {
    const of = await demo()
    await submitted(of, 'broken', '--wait').catch(() => {})
    for (const report of ['a', 'b', '7'])
      await submitted(of, 'build_report', '--param', `report_id=${report}`, '--delay', '1h')
    expect((await of.operate('cancel', '--task', 'build_report', '--param', 'report_id=7')).stdout).toBe(
      '1 job cancelled. What runs goes on: cancel it by its id.\n',
    )
    expect(objects(await of.operate('cancel', '--all', '--json'))).toEqual([{ cancelled: 2 }])
    expect((await of.operate('retry', '--task', 'broken')).stdout).toBe('1 job runs again.\n')
  })
})

describe('capsule logs', () => {
  it('shows what a job said, and no control character of it', async () => {
    const of = await demo()
    const id = await submitted(of, 'build_report', '--wait')
    expect((await of.operate('logs', id)).stdout).toMatch(
      /^\S+Z {2}1 {2}info {3}building {2}\{"pages":1\}\n\S+Z {2}1 {2}info {3}in two\nlines, and {2}\[31min red\n$/,
    )
    expect(objects(await of.operate('logs', id, '--json'))).toMatchObject([{ message: 'building' }, { level: 'info' }])
  })

  it('--follow goes on until the job has ended', async () => {
    const of = await demo()
    const id = await submitted(of, 'held')
    const following = of.operate('logs', id, '--follow')
    setTimeout(of.gate.resolve, 300)
    expect(await following).toMatchObject({ code: 0, stdout: '', stderr: '' })
  })
})

describe('capsule schedules', () => {
  it('shows what recurs, runs it, pauses and resumes it', async () => {
    const { operate } = await demo()
    expect((await operate('schedules')).stdout).toMatch(
      /^name +cron +time zone +next +last\ndigest +0 9 \* \* 1-5 +UTC +\S+T09:00:00\.000Z +At 09:00/,
    )
    expect((await operate('schedules', 'trigger', 'digest')).stdout).toMatch(
      new RegExp(`^digest runs as ${UUID}\\.\n$`),
    )
    expect((await operate('schedules', 'pause', 'digest')).stdout).toBe('digest is paused.\n')
    expect((await operate('schedules')).stdout).toMatch(/\ndigest .* paused +/)
    expect((await operate('schedules', 'resume', 'digest')).stdout).toMatch(/^digest goes on, next at \S+T09:00/)
  })
})
