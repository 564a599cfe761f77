/** What only processes can do as a Compute, and must survive; what every Compute does is in contracts/compute.ts. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { createProcessCompute } from '../../src/drivers/compute-processes.ts'
import { scaled } from '../support/time-limits.ts'

const tasks = new URL('./compute-processes-tasks.ts', import.meta.url)
const at = (path: string) => new URL(`../../${path}`, import.meta.url)
const CODE = [tasks, at('test/contracts/compute-tasks.ts'), at('src/'), at('package.json')]
const LIMITS = { tasks, code: CODE, memoryMb: 250, cpuSeconds: 60 }
const compute = createProcessCompute({ ...LIMITS, processes: 2 })
afterAll(() => compute.close())

/** A pool of two in a process of its own. */
const program = `
import { createProcessCompute } from '${at('src/drivers/compute-processes.ts')}'
const code = ${JSON.stringify(LIMITS.code)}.map((url) => new URL(url))
const compute = createProcessCompute({ tasks: new URL('${tasks}'), code, processes: 2, memoryMb: 250, cpuSeconds: 60 })
`

function isAlive(pid: number): boolean {
  try {
    // A zombie waits for whoever is to hear of its end, and runs no more.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

async function waitUntilBusy(pid: number): Promise<void> {
  const ticks = () => Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[13])
  for (const first = ticks(); ticks() < first + 20; ) await setTimeout(20)
}

const UNKNOWN = { name: 'MillraceError', code: 'UNKNOWN' }

it('what a task reports after its end does not reach the task after it', async () => {
  const seen: unknown[] = []
  await compute.run('lateProgress', null, { onProgress: (value) => seen.push(value) })
  await Promise.all([1, 2].map(() => compute.run('sleep', 150, { onProgress: (value) => seen.push(value) })))
  expect(seen).toEqual([])
})

describe('faults', () => {
  it('that nobody hears are not the answer of a task, which may yet come', async () => {
    expect(await compute.run('stray', null)).toBe('answered')
  })

  it.each(['exit', 'never'])('of a process that dies (%s) fail its task alone, and it is replaced', async (task) => {
    const dying = compute.run(task, null)
    const other = compute.run('sleep', 100)
    await expect(dying).rejects.toMatchObject({ ...UNKNOWN, message: /process ended/ })
    expect(await other).toBe('slept')
    expect(await Promise.all([1, 2, 3, 4].map((n) => compute.run('echo', n)))).toEqual([1, 2, 3, 4])
  })

  it('of a module without tasks fail every task', async () => {
    const broken = createProcessCompute({ ...LIMITS, tasks: new URL('./nothing.ts', import.meta.url), processes: 1 })
    await expect(broken.run('echo', 1)).rejects.toMatchObject(UNKNOWN)
    await expect(broken.run('echo', 1)).rejects.toMatchObject(UNKNOWN)
    await broken.close()
  })
})

describe('memory', () => {
  it.each(['growArray', 'growObjects', 'growText', 'growBuffers', 'growAtOnce'])(
    'a task that takes too much (%s) fails alone, and says why',
    async (task) => {
      const hungry = compute.run(task, null)
      const other = compute.run('burn', 300)
      await expect(hungry).rejects.toMatchObject({
        code: 'TOO_LARGE',
        message: 'The document needs too much memory: more than 250 MB.',
      })
      expect(typeof (await other)).toBe('number')
      expect(await compute.run('echo', 'still here')).toBe('still here')
    },
  )

  it('garbage does not count against a task that keeps little', async () => {
    expect(await compute.run('churn', 1_500)).toBeGreaterThan(0)
  })

  it('a process that keeps much after its task is not used again', async () => {
    const pool = createProcessCompute({ ...LIMITS, memoryMb: 200, processes: 1 })
    const first = await pool.run('hoard', 10_000_000)
    expect(await pool.run('hoard', 70_000_000)).toBe(first)
    expect(await pool.run('pid', null)).not.toBe(first)
    await pool.close()
  })
})

describe('time', () => {
  it('a task that takes too much of it fails alone, and says why; one that only waits has time', async () => {
    const pool = createProcessCompute({ ...LIMITS, cpuSeconds: 1, processes: 2 })
    const waiting = pool.run('sleep', 1_500)
    await expect(pool.run('forever', null)).rejects.toMatchObject({
      code: 'TOO_LARGE',
      message: 'The document takes too long to read: more than 1 seconds.',
    })
    expect(await waiting).toBe('slept')
    await pool.close()
  })
})

describe('rights', () => {
  it('are none: nothing of the environment, no files, programs, threads, native code or new code', async () => {
    process.env.MILLRACE_TEST_SECRET = 'secret'
    const seen = await compute.run('environment', null)
    delete process.env.MILLRACE_TEST_SECRET
    expect(JSON.stringify(seen)).not.toContain('secret')
    expect(Object.keys(Object(seen)).filter((name) => !name.startsWith('NODE_CHANNEL'))).toEqual(['TZ'])
    const path = join(tmpdir(), `millrace-${process.pid}-escaped`)
    expect(await compute.run('escape', path)).toEqual({
      write: 'ERR_ACCESS_DENIED',
      read: 'ERR_ACCESS_DENIED',
      spawn: 'ERR_ACCESS_DENIED',
      thread: 'ERR_ACCESS_DENIED',
      addon: 'ERR_DLOPEN_DISABLED',
      evaluate: expect.stringContaining('Code generation from strings disallowed'),
    })
    expect(existsSync(path)).toBe(false)
  })
})

describe('abort', () => {
  it('ends a loop that never pauses', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const begun = Promise.withResolvers<void>()
    const running = compute.run('forever', null, { signal: controller.signal, onProgress: () => begun.resolve() })
    await begun.promise
    controller.abort(reason)
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED', cause: reason })
    expect(await Promise.all([1, 2, 3].map((n) => compute.run('echo', n)))).toEqual([1, 2, 3])
  })

  it('frees the process for what waits', async () => {
    const pool = createProcessCompute({ ...LIMITS, processes: 1 })
    const controller = new AbortController()
    const running = pool.run('forever', null, { signal: controller.signal })
    const waiting = pool.run('echo', 'next')
    controller.abort()
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(await waiting).toBe('next')
    await pool.close()
  })

  it('takes a waiting task out of the queue and leaves the running ones alone', async () => {
    const pool = createProcessCompute({ ...LIMITS, processes: 1 })
    const controller = new AbortController()
    const running = pool.run('pid', 200)
    const waiting = pool.run('forever', null, { signal: controller.signal })
    const last = pool.run('pid', null)
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(await last).toBe(await running)
    await pool.close()
  })

  it('after the task changes nothing', async () => {
    const pool = createProcessCompute({ ...LIMITS, processes: 1 })
    const controller = new AbortController()
    const first = await pool.run('pid', null, { signal: controller.signal })
    controller.abort()
    expect(await pool.run('pid', null)).toBe(first)
    await pool.close()
  })
})

describe('processes', () => {
  const pools: { close(): Promise<void> }[] = []
  afterEach(async () => {
    await Promise.all(pools.splice(0).map((pool) => pool.close()))
  })
  const make = (processes: number) => {
    const pool = createProcessCompute({ ...LIMITS, processes })
    pools.push(pool)
    return pool
  }

  it('are no more than allowed, and are used again', async () => {
    const pool = make(2)
    const ids = await Promise.all(Array.from({ length: 12 }, () => pool.run('pid', 20)))
    expect(new Set(ids).size).toBe(2)
    expect(ids).toContain(await pool.run('pid', null))
  })

  it('start only when needed', async () => {
    const pool = make(8)
    const ids = new Set<unknown>()
    for (let i = 0; i < 5; i++) ids.add(await pool.run('pid', null))
    expect(ids.size).toBe(1)
  })

  it('take what waits first come, first served', async () => {
    const pool = make(1)
    const order: unknown[] = []
    await Promise.all(Array.from({ length: 20 }, async (_, i) => order.push(await pool.run('echo', i))))
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i))
  })

  it('leave the event loop free while they burn', async () => {
    const pool = make(2)
    await Promise.all([pool.run('echo', 1), pool.run('echo', 2)])
    let turns = 0
    const timer = setInterval(() => turns++, 5)
    await Promise.all(Array.from({ length: 4 }, () => pool.run('burn', 400)))
    clearInterval(timer)
    // Were they run here, there would be a turn between two of them at most.
    expect(turns).toBeGreaterThan(10)
  })

  it('end with the pool; what runs, waits or comes later fails', async () => {
    const pool = make(1)
    const running = pool.run('forever', null)
    const waiting = pool.run('echo', 1)
    const outcomes = Promise.allSettled([running, waiting])
    await pool.close()
    const refused = { status: 'rejected', reason: { code: 'SERVICE_UNAVAILABLE', transient: true } }
    expect(await outcomes).toMatchObject([refused, refused])
    await expect(pool.run('echo', 1)).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    await pool.close()
  })

  it('are not ended by signals meant for the server; from a kill a task may be tried again', async () => {
    const pool = make(1)
    const pid = Number(await pool.run('pid', null))
    const patient = pool.run('pid', 100)
    process.kill(pid, 'SIGTERM')
    process.kill(pid, 'SIGINT')
    expect(await patient).toBe(pid)
    const begun = Promise.withResolvers<void>()
    const killed = pool.run('forever', null, { onProgress: () => begun.resolve() })
    await begun.promise
    process.kill(pid, 'SIGKILL')
    await expect(killed).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE', transient: true })
  })

  it('that are gone when they are given a task fail that task alone, which may be tried again', async () => {
    const pool = make(1)
    for (const bytes of [1, 100_000, 10_000_000]) {
      process.kill(Number(await pool.run('pid', null)), 'SIGKILL')
      // Written to a pipe that nobody reads any more: EPIPE, or an end in the middle of it.
      const given = pool.run('echo', new Uint8Array(bytes))
      await expect(given).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE', transient: true })
      expect(await pool.run('echo', bytes)).toBe(bytes)
    }
  })

  it('die with the process that started them, by kill -9 and in a loop that never pauses', async () => {
    const parent = spawn(process.execPath, [
      '--input-type=module',
      '-e',
      `${program}
      for (const task of ['pid', 'pid', 'forever', 'forever']) compute.run(task, null).then((pid) => console.log(pid))`,
    ])
    const output = createInterface(parent.stdout)[Symbol.asyncIterator]()
    const pids = [Number((await output.next()).value), Number((await output.next()).value)]
    // Both have begun their loop once they have used CPU since they answered.
    await Promise.all(pids.map(waitUntilBusy))
    parent.kill('SIGKILL')
    await once(parent, 'close')
    await expect.poll(() => pids.filter(isAlive), { timeout: scaled(20_000) }).toEqual([])
  })

  it('that are idle let the process end, and those that work do not', async () => {
    const script = `${program}
      compute.run('sleep', 300).then(() => console.log('slept'))
      compute.run('echo', 1)
    `
    const node = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      timeout: scaled(20_000),
    })
    expect(await node).toEqual({ stdout: 'slept\n', stderr: '' })
  })
})
