/** Servers that tests start end with the tests, however these end: here by a signal for which no handler can be. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { freshFolder } from './server.ts'
import { scaled } from './time-limits.ts'

const SCRIPT = `
  import { startServer } from '${new URL('server.ts', import.meta.url)}'
  const server = await startServer({ dataDir: process.argv[1] })
  console.log(server.pid + ' ' + await server.processId())
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

it('a server ends when the process that started it is killed', async () => {
  const dataDir = await freshFolder()
  const tests = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(createInterface(tests.stdout), 'line')
  const pids = String(line).split(' ').map(Number)
  expect(pids.map(isAlive)).toEqual([true, true])
  const ended = once(tests, 'exit')
  tests.kill('SIGKILL')
  await ended
  await expect.poll(() => pids.filter(isAlive), { timeout: scaled(20_000) }).toEqual([])
  await rm(dataDir, { recursive: true, force: true })
})
