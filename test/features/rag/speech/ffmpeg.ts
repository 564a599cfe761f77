/** Makes recordings for tests by ffmpeg. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { find } from '../../../support/programs.ts'

const run = promisify(execFile)

/** Path of ffmpeg; null where it is not installed, and tests that need it are skipped. */
export const FFMPEG = find('ffmpeg')

/** Runs ffmpeg. */
export async function ffmpeg(...args: readonly string[]): Promise<void> {
  await run(FFMPEG ?? 'ffmpeg', ['-nostdin', '-v', 'error', '-y', ...args])
}

/** Makes a file of so many seconds: a tone, silent in the second half of each period of ten seconds. */
export async function makeTone(path: string, seconds: number, ...output: readonly string[]): Promise<void> {
  const source = `aevalsrc='0.4*sin(2*PI*440*t)*lt(mod(t,10),5)':s=16000:d=${seconds}`
  await ffmpeg('-f', 'lavfi', '-i', source, ...output, path)
}
