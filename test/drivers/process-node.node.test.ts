/** Which processes a process can judge by their ids. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, it } from 'vitest'
import { judgeProcess, processHost } from '../../src/drivers/process-node.ts'
import { endWithTests } from '../support/end-children.ts'
import { hasOwnProcesses, OWN_PROCESSES } from '../support/pid-namespace.ts'

const SCRIPT = `
  import { processHost } from '${new URL('../../src/drivers/process-node.ts', import.meta.url)}'
  process.stdout.write(processHost())
`

/** The host that another process says it is on. */
function hostIn(runBy: readonly string[]): string {
  const [program = '', ...args] = [...runBy, process.execPath, '--input-type=module', '-e', SCRIPT]
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}

it('processes that see each other are on one host', () => {
  expect(hostIn([])).toBe(processHost())
})

it.skipIf(!hasOwnProcesses)('a process in a pid namespace of its own is on another', () => {
  const [one, other] = [hostIn(OWN_PROCESSES), hostIn(OWN_PROCESSES)]
  expect(one).toMatch(/pid:\[\d+\]$/)
  expect(one).not.toBe(processHost())
  expect(other).not.toBe(processHost())
})

it('a process is alive until it has ended; who had our own id before us has, and we ourselves have not', async () => {
  const child = endWithTests(spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' }))
  await once(child, 'spawn')
  const pid = child.pid ?? 0
  const startedAt = Date.now()
  expect(judgeProcess({ pid, startedAt })).toBe('alive')
  child.kill('SIGKILL')
  await once(child, 'exit')
  const gone = process.platform === 'linux' ? 'gone' : 'unsure'
  expect(judgeProcess({ pid, startedAt })).toBe(gone)
  expect(judgeProcess({ pid: process.pid, startedAt: performance.timeOrigin - 1 })).toBe(gone)
  expect(judgeProcess({ pid: process.pid, startedAt })).toBe('alive')
})

it.skipIf(process.platform !== 'linux')(
  'a process that is younger than the worker had its id from another',
  async () => {
    const child = endWithTests(spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' }))
    await once(child, 'spawn')
    expect(judgeProcess({ pid: child.pid ?? 0, startedAt: Date.now() - 600_000 })).toBe('unsure')
    child.kill('SIGKILL')
    await once(child, 'exit')
  },
)
