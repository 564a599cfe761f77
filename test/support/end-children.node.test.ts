/** Programs that tests start end with them, also by a signal for which no handler can be, and those that do not listen to SIGTERM. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { scaled } from './time-limits.ts'

const PROGRAMS = ['setInterval(() => {}, 1000)', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)']
const SCRIPT = `
  import { spawn } from 'node:child_process'
  import { endWithTests } from '${new URL('end-children.ts', import.meta.url)}'
  const start = (program) => endWithTests(spawn(process.execPath, ['-e', program], { stdio: 'ignore' })).pid
  console.log(${JSON.stringify(PROGRAMS)}.map(start).join(' '))
  setInterval(() => {}, 1000)
`

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

it.each(['SIGKILL', 'SIGINT'] as const)('when these are ended by %s', async (signal) => {
  const tests = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(createInterface(tests.stdout), 'line')
  const pids = String(line).split(' ').map(Number)
  expect(pids.map(isAlive)).toEqual([true, true])
  const ended = once(tests, 'exit')
  tests.kill(signal)
  await ended
  await expect.poll(() => pids.filter(isAlive), { timeout: scaled(20_000) }).toEqual([])
})
