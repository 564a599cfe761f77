/** How owners share the processes that read documents. */
import { readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import { createProcessCompute } from '../../src/drivers/compute-processes.ts'
import { scaled } from '../support/time-limits.ts'

const tasks = new URL('./compute-processes-tasks.ts', import.meta.url)
const at = (path: string) => new URL(`../../${path}`, import.meta.url)
const CODE = [tasks, at('test/contracts/compute-tasks.ts'), at('src/'), at('package.json')]
const LIMITS = { tasks, code: CODE, memoryMb: 250, cpuSeconds: 60 }

const pools: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()))
})
const make = (processes: number) => {
  const pool = createProcessCompute({ ...LIMITS, processes })
  pools.push(pool)
  return pool
}

/** Begins tasks that never end, and waits until each runs. */
async function occupy(pool: ReturnType<typeof make>, owner: string, count: number) {
  const stop = new AbortController()
  const running = Array.from({ length: count }, () => {
    const begun = Promise.withResolvers<void>()
    const options = { signal: stop.signal, owner, onProgress: () => begun.resolve() }
    return { begun: begun.promise, ended: pool.run('forever', null, options).catch(() => {}) }
  })
  await Promise.all(running.map(({ begun }) => begun))
  return async () => {
    stop.abort()
    await Promise.all(running.map(({ ended }) => ended))
  }
}

const isPaused = (pid: unknown) => /\) T /.test(readFileSync(`/proc/${Number(pid)}/stat`, 'utf8'))

it('one that holds all of its processes keeps no other waiting', async () => {
  const pool = make(2)
  const end = await occupy(pool, 'hostile', 2)
  const beyond = pool.run('echo', 'its third', { owner: 'hostile' })
  expect(await pool.run('echo', 1, { owner: 'good' })).toBe(1)
  expect(await Promise.all(['good', 'better'].map((owner) => pool.run('echo', owner, { owner })))).toEqual([
    'good',
    'better',
  ])
  expect(await Promise.race([beyond, setTimeout(100, 'waits')])).toBe('waits')
  await end()
  expect(await beyond).toBe('its third')
})

it('work in turn is of owners in turn', async () => {
  const pool = make(1)
  const order: string[] = []
  const { promise: first, resolve: go } = Promise.withResolvers<void>()
  const work = (name: string) => async () => void order.push(name)
  const all = [
    pool.withSlot(() => first, { owner: 'a' }),
    // As many as there are beyond what one owner may use.
    pool.withSlot(() => first, { owner: 'x' }),
    pool.withSlot(() => first, { owner: 'y' }),
    ...Array.from({ length: 20 }, (_, i) => pool.withSlot(work(`a${i}`), { owner: 'a' })),
    pool.withSlot(work('b'), { owner: 'b' }),
    pool.withSlot(work('c'), { owner: 'c' }),
  ]
  go()
  await Promise.all(all)
  expect(order.indexOf('b')).toBeLessThan(3)
  expect(order.indexOf('c')).toBeLessThan(3)
})

it('while there is more to do than processors, whoever does several things has some paused', async () => {
  const pool = make(2)
  const pids = await Promise.all([1, 2].map(() => pool.run('pid', 50)))
  const end = await occupy(pool, 'hostile', 2)
  expect(pids.map(isPaused)).toEqual([false, false])
  const stop = new AbortController()
  const good = pool.run('sleep', 600_000, { owner: 'good', signal: stop.signal }).catch(() => {})
  await expect.poll(() => pids.filter(isPaused).length).toBe(1)
  stop.abort()
  await good
  await expect.poll(() => pids.filter(isPaused).length).toBe(0)
  await end()
})

it('what is paused can be ended, and its process is not used paused', async () => {
  const pool = make(1)
  const pid = await pool.run('pid', 1, { owner: 'hostile' })
  const end = await occupy(pool, 'hostile', 1)
  process.kill(Number(pid), 'SIGSTOP')
  await end()
  expect(await pool.run('echo', 1, { owner: 'hostile' })).toBe(1)
})

/** Session of a process: where Linux groups processes by it, a priority counts within the group alone. See proc_pid_stat(5), field 6. */
const sessionOf = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, '').split(' ')[4]

it('a part of longer work is no heavy task, whatever it takes', { timeout: scaled(300_000) }, async () => {
  const pool = make(1)
  const pid = Number(await pool.run('burnCpu', 2_100, { owner: 'good', isPart: true }))
  expect(getPriority(pid)).toBe(7)
  expect(sessionOf(pid)).toBe(sessionOf(process.pid))
  expect(await pool.run('pid', 1, { owner: 'other' })).toBe(pid)
})

it('a heavy task goes on at a low priority, and its process is used for no other owner', {
  timeout: scaled(300_000),
}, async () => {
  const pool = make(1)
  const pid = Number(await pool.run('pid', 1, { owner: 'hostile' }))
  const own = getPriority(pid)
  expect(own).toBe(7)
  const end = await occupy(pool, 'hostile', 1)
  await expect.poll(() => getPriority(pid), { timeout: scaled(120_000) }).toBe(15)
  const good = Number(await pool.run('pid', 1, { owner: 'good' }))
  expect([good === pid, getPriority(good)]).toEqual([false, own])
  await end()
  const its = Number(await pool.run('burnCpu', 2_100, { owner: 'hostile' }))
  expect(getPriority(its)).toBe(15)
  expect(await pool.run('pid', 1, { owner: 'hostile' })).toBe(its)
  expect(getPriority(Number(await pool.run('pid', 1, { owner: 'good' })))).toBe(own)
})

it('a task may have less time than others, and tells how much it took', async () => {
  const pool = make(2)
  const told: number[] = []
  const onCpuTime = (ms: number) => told.push(ms)
  await pool.run('echo', 1)
  await pool.run('burn', 400, { onCpuTime })
  await expect(pool.run('forever', null, { maxCpuMs: 500, onCpuTime })).rejects.toMatchObject({
    code: 'TOO_LARGE',
    message: 'The document takes too long to read: more than 0.5 seconds.',
  })
  await expect(pool.run('noText', null, { onCpuTime })).rejects.toMatchObject({ code: 'NO_TEXT' })
  expect(told).toHaveLength(3)
  expect(told[0]).toBeGreaterThan(0)
  expect(told[1]).toBeGreaterThanOrEqual(500)
})
