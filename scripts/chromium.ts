/**
 * Finds the Chromium that browser tests run in: one the machine has, so that installing the project downloads none.
 */
import { existsSync } from 'node:fs'
import { chromium } from 'playwright'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/**
 * The path of an executable: CHROMIUM_PATH, the usual places, Playwright's own.
 * @throws Error none is there; says how to get one
 */
export function findChromium(): string {
  const found = [process.env.CHROMIUM_PATH, ...PLACES, chromium.executablePath()].find(
    (path) => path && existsSync(path),
  )
  if (found) return found
  throw new Error(
    'No Chromium found: set CHROMIUM_PATH, install your system’s chromium, or run `npx playwright install chromium`.',
  )
}

/** Quiet, offline, and without the sandbox only where it cannot work: as root. */
export const CHROMIUM_ARGS: readonly string[] = [
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

if (import.meta.main) console.log(findChromium())
