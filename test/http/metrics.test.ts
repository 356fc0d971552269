/** /metrics: what a scraper gets, of a real app and in its format. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { createApp } from '../../src/app/index.ts'
import { Histogram } from '../../src/execution/index.ts'
import { Exposition } from '../../src/http/exposition.ts'
import { NonRetryableError } from '../../src/index.ts'
import { served, serving } from './serving.ts'

describe('the text', () => {
  it('has a head and a line for each sample, with labels of any characters', () => {
    const metrics = new Exposition()
    metrics.gauge('a_b', 'What it is.', [
      [{}, 12n],
      [{ task: 'a "b"\\\n', n: 1 }, 0.5],
    ])
    metrics.counter('none_total', 'Nothing.', [])
    expect(String(metrics)).toBe(
      '# HELP a_b What it is.\n# TYPE a_b gauge\na_b 12\na_b{task="a \\"b\\"\\\\\\n",n="1"} 0.5\n',
    )
  })

  it('counts a histogram from its lowest bound on, and all of it at the end', () => {
    const histogram = new Histogram([1, 5])
    for (const value of [0.5, 1, 2, 9]) histogram.observe(value)
    const metrics = new Exposition()
    metrics.histogram('h', 'How long.', [[{ of: 'x' }, histogram]])
    expect(String(metrics)).toBe(
      '# HELP h How long.\n# TYPE h histogram\nh_bucket{of="x",le="1"} 2\nh_bucket{of="x",le="5"} 3\n' +
        'h_bucket{of="x",le="+Inf"} 4\nh_sum{of="x"} 12.5\nh_count{of="x"} 4\n',
    )
  })
})

async function demo() {
  const app = createApp({ name: 'demo', concurrency: 1 })
  const gate = Promise.withResolvers<void>()
  const quick = app.task('quick', async () => 1)
  const broken = app.task('broken', { retries: 2, backoff: { base: 1, max: 1 } }, async () => {
    throw new NonRetryableError('never')
  })
  const held = app.task('held', async () => gate.promise)
  const { running, url } = await served(app, { version: '1.2.3' })
  onTestFinished(() => gate.resolve())
  const scrape = async () => {
    const response = await fetch(`${url}/metrics`)
    return { type: response.headers.get('content-type'), lines: (await response.text()).split('\n') }
  }
  return { quick, broken, held, gate, url, running, scrape }
}

describe('a scrape', () => {
  it('tells what the log and its views hold, and what ran here', async () => {
    const { quick, broken, held, running, scrape } = await demo()
    for (let n = 0; n < 3; n++) await (await quick.submit({})).result()
    await expect((await broken.submit({})).result()).rejects.toThrow('never')
    await held.submit({})
    await quick.submit({})
    await running.reads.waitFor(await running.head())
    const { type, lines } = await scrape()
    expect(type).toBe('text/plain; version=0.0.4; charset=utf-8')
    for (const line of [
      `capsule_info{app="demo",version="1.2.3",node="${running.nodeId}"} 1`,
      'capsule_check_healthy{check="event store"} 1',
      `capsule_log_position ${await running.head()}`,
      `capsule_read_model_position{read_model="jobs"} ${await running.head()}`,
      'capsule_jobs{task="quick",status="completed"} 3',
      'capsule_jobs{task="quick",status="pending"} 1',
      'capsule_jobs{task="broken",status="failed"} 1',
      'capsule_jobs{task="held",status="running"} 1',
      'capsule_running 1',
      'capsule_attempts_total{task="quick",end="completed"} 3',
      'capsule_attempts_total{task="broken",end="failed"} 1',
      'capsule_attempt_duration_seconds_count{task="quick"} 3',
    ])
      expect(lines).toContain(line)
    expect(lines.find((line) => line.startsWith('capsule_oldest_pending_seconds '))).toMatch(/ 0\.\d+$/)
    for (const name of [
      'process_cpu_seconds_total',
      'capsule_event_loop_busy_seconds_total',
      'nodejs_heap_size_used_bytes',
    ])
      expect(Number(lines.find((line) => line.startsWith(`${name} `))?.split(' ')[1])).toBeGreaterThan(0)
    // Each family once: a second head of a name is an error to a scraper.
    const heads = lines.filter((line) => line.startsWith('# TYPE '))
    expect(new Set(heads).size).toBe(heads.length)
    expect(lines.filter((line) => !/^(?:# (?:HELP|TYPE) \w+ .+|\w+(?:\{[^{}]*\})? [-\d.e+]+|)$/.test(line))).toEqual([])
  })

  it('counts requests by their route, whatever clients write in a path', async () => {
    const { url, scrape } = await demo()
    for (const path of ['jobs/a', 'jobs/b', 'nowhere/x', 'nowhere/y']) await fetch(`${url}/api/v1/${path}`)
    const { lines } = await scrape()
    expect(lines).toContain('capsule_http_requests_total{method="GET",route="/api/v1/jobs/:id",status="404"} 2')
    expect(lines).toContain('capsule_http_request_duration_seconds_count{method="GET",route="/api/v1/jobs/:id"} 2')
    expect(lines.join()).not.toContain('nowhere')
  })

  it('leaves out what the log does not tell while it gives no answer', async () => {
    const { app, get } = await serving()
    app.checks = [{ name: 'event store', status: 'unhealthy' }]
    app.head = () => Promise.reject(new Error('away'))
    const { status, body } = await get('/metrics')
    expect(status).toBe(200)
    expect(body).toContain('capsule_check_healthy{check="event store"} 0\n')
    expect(body).not.toContain('capsule_log_position')
  })
})
