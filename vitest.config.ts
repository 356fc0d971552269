/** Two projects: `node` for the server and its library, `browser` for the web components in a real Chromium. */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { playwright } from '@vitest/browser-playwright'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { CHROMIUM_ARGS, findChromium } from './scripts/chromium.ts'

/** Needs a server: left out without one, so that nothing counts as skipped; scripts/test.ts says so. */
const serverTests = process.env.EVENTSTORE_URL ? [] : ['test/events/contract-eventstoredb.test.ts']
const browserTests = 'test/web-components/**/*.test.ts'

/** For a test that hangs. How fast a machine is, and what else it does, decides no test. */
const patience = { testTimeout: 30_000, hookTimeout: 30_000 }

/** Whatever begins last is waited for alone. */
const LONGEST = [
  'test/simulation/simulation.test.ts',
  'test/crash/fault-points.test.ts',
  'test/e2e/copies.test.ts',
  'test/simulation/mutations.test.ts',
  'test/e2e/browser.test.ts',
  'test/projections/worker.test.ts',
  'test/execution/nodes-limits.test.ts',
  'test/crash/kill.test.ts',
  'test/crash/recovery.test.ts',
]

/** In a clone, without the times of an earlier run, Vitest begins with the largest files, which are not the longest. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((file) => moduleId.endsWith(file))
      return at < 0 ? LONGEST.length : at
    }
    return (await super.sort(files)).sort((a, b) => place(a) - place(b))
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    // Much of the time is spent waiting for processes that the tests start: four files at once, however few the cores.
    maxWorkers: Math.max(4, availableParallelism() - 1),
    projects: [
      {
        test: {
          ...patience,
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: [browserTests, ...serverTests],
          globalSetup: 'test/built.ts',
          // An app that a command loads in the process of a test is of the same copy of the package as the command.
          alias: [{ find: /^capsule-actors$/, replacement: join(import.meta.dirname, 'src/index.ts') }],
          // A process for each of a hundred files would load the same modules again, a second of processor time each.
          isolate: false,
          setupFiles: ['test/built-threads.ts', 'test/left-behind.ts'],
        },
      },
      {
        // Found beforehand: a dependency discovered during a run reloads the page under the tests.
        optimizeDeps: {
          include: [
            'lit',
            'dompurify',
            'lit/directives/guard.js',
            'lit/directives/repeat.js',
            'lit/directives/live.js',
            'axe-core',
            'marked',
            'remend',
          ],
        },
        test: {
          ...patience,
          name: 'browser',
          include: [browserTests],
          // Pages that draw at the same time wait for each other, and what they draw meanwhile is half of their time.
          // Vitest has files that are not parallel wait for all others: scripts/test.ts runs the projects side by side.
          fileParallelism: false,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            viewport: { width: 1280, height: 800 },
            provider: playwright({
              launchOptions: {
                get executablePath() {
                  return findChromium()
                },
                args: [...CHROMIUM_ARGS],
              },
            }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
    ],
  },
})
