/**
 * Finds the Chromium that browser tests run in: one the machine has, so that installing the project downloads none. Run as
 * a script it prints the path, and installs one first where there is none.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chromium } from 'playwright'

/** First the one without a window to draw: it takes a fifth less processor time. */
const PLACES = [
  '/usr/bin/chromium-headless-shell',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
]

/**
 * The path of an executable: CHROMIUM_PATH, the usual places, Playwright's own.
 * @throws Error none is there; says how to get one
 */
export function findChromium(): string {
  const found = lookForChromium()
  if (found) return found
  throw new Error(
    'No Chromium found: set CHROMIUM_PATH, install your system’s chromium, or run `npx playwright install chromium`.',
  )
}

/** Quiet, offline, and without the sandbox only where it cannot work: as root. */
export const CHROMIUM_ARGS: readonly string[] = [
  ...(isRoot() ? ['--no-sandbox'] : []),
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

function lookForChromium(): string | undefined {
  return [process.env.CHROMIUM_PATH, ...PLACES, chromium.executablePath()].find((path) => path && existsSync(path))
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}

/** By the system's package manager where we may use it, else by Playwright. */
function installChromium(): void {
  const ways = [
    ...(isRoot()
      ? [
          ['apt-get', 'update'],
          // Debian has the one, others the other.
          ['apt-get', 'install', '-y', '--no-install-recommends', 'chromium-headless-shell'],
          ['apt-get', 'install', '-y', '--no-install-recommends', 'chromium'],
        ]
      : []),
    ['npx', 'playwright', 'install', 'chromium'],
  ]
  for (const [program = '', ...args] of ways) {
    console.log(`No Chromium yet: ${program} ${args.join(' ')}`)
    spawnSync(program, args, { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
    if (lookForChromium()) return
  }
}

if (import.meta.main) {
  if (!lookForChromium()) installChromium()
  try {
    console.log(findChromium())
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
