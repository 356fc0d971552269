/** The browser of the tests of a file, started by the first that needs it. */
import { type Browser, chromium } from 'playwright'
import { CHROMIUM_ARGS, findChromium } from '../../../scripts/chromium.ts'
import { afterwards } from '../../afterwards.ts'

let browser: Promise<Browser> | undefined

export function theBrowser(): Promise<Browser> {
  browser ??= started()
  return browser
}

async function started(): Promise<Browser> {
  const launched = await chromium.launch({ executablePath: findChromium(), args: [...CHROMIUM_ARGS] })
  afterwards(() => {
    browser = undefined
    return launched.close()
  })
  return launched
}
