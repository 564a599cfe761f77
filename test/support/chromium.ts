/** Chromium as the tests in a browser run it. */
import { type Browser, chromium } from 'playwright-core'
import { find } from './programs.ts'

/** Where it is; null when it is absent. */
export const CHROMIUM = find('chromium')

/** What containers need, and what keeps it from talking to anybody but the tests' servers, over TCP. */
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Starts it without a window. */
export function launchChromium(): Promise<Browser> {
  if (CHROMIUM === null) throw new Error('Chromium is absent.')
  return chromium.launch({ executablePath: CHROMIUM, args: ARGS })
}
