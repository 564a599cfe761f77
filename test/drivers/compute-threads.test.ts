import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { createThreadCompute } from '../../src/drivers/compute-threads.ts'
import { MillraceError } from '../../src/errors.ts'

const tasks = new URL('./compute-threads-tasks.ts', import.meta.url)
const compute = createThreadCompute({ tasks, threads: 2, memoryMb: 200 })
afterAll(() => compute.close())

const UNKNOWN = { name: 'MillraceError', code: 'UNKNOWN' }

describe('tasks', () => {
  it('take input and give output, structured-cloned', async () => {
    const value = { text: 'ž', list: [1, 2n, null], date: new Date(0), bytes: Uint8Array.of(1, 2) }
    expect(await compute.run('echo', value)).toEqual(value)
    expect(await compute.run('echo', undefined)).toBeUndefined()
  })

  it('have the buffers of `transfer` moved to them', async () => {
    const bytes = new Uint8Array(1000).fill(7)
    const result = await compute.run('echo', bytes, { transfer: [bytes.buffer] })
    expect(result).toEqual(new Uint8Array(1000).fill(7))
    expect(bytes.byteLength).toBe(0)
  })

  it('tell their progress in order, all of it before the result', async () => {
    const seen: unknown[] = []
    const result = await compute.run('count', 500, { onProgress: (value) => seen.push(value) })
    expect(seen).toEqual(Array.from({ length: 500 }, (_, i) => i + 1))
    expect(result).toBe('counted')
  })

  it('can not report progress into the task after them', async () => {
    const seen: unknown[] = []
    await compute.run('lateProgress', null, { onProgress: (value) => seen.push(value) })
    await Promise.all([1, 2].map(() => compute.run('sleep', 150, { onProgress: (value) => seen.push(value) })))
    expect(seen).toEqual([])
  })
})

describe('errors', () => {
  it('cross the thread with code and message', async () => {
    const error = await compute.run('noText', null).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(MillraceError)
    expect(error).toMatchObject({ code: 'NO_TEXT', message: 'This PDF holds pictures only.', status: 422 })
  })

  it.each([
    ['bug', 'x is not a function'],
    ['oddThrow', 'a string'],
    ['foreignCode', 'no such file'],
    ['unloadable', 'the module is broken'],
  ])('that are a fault of ours (%s) say nothing of it but in their cause', async (task, cause) => {
    await expect(compute.run(task, null)).rejects.toMatchObject({
      ...UNKNOWN,
      message: 'The task failed unexpectedly.',
      cause: { message: cause },
    })
  })

  it('tell of a task that is not there', async () => {
    await expect(compute.run('toString', null)).rejects.toMatchObject({ ...UNKNOWN, message: /no task "toString"/ })
  })

  it('tell of input and output that can not be cloned', async () => {
    await expect(compute.run('echo', () => {})).rejects.toThrow(/could not be cloned/)
    await expect(compute.run('uncloneable', null)).rejects.toMatchObject(UNKNOWN)
    expect(await compute.run('echo', 1)).toBe(1)
  })

  it.each(['exit', 'stray'])('a thread that dies (%s) fails its task alone and is replaced', async (task) => {
    const dying = compute.run(task, null)
    const other = compute.run('sleep', 100)
    await expect(dying).rejects.toMatchObject({ ...UNKNOWN, message: /thread ended/ })
    expect(typeof (await other)).toBe('number')
    expect(await Promise.all([1, 2, 3, 4].map((n) => compute.run('echo', n)))).toEqual([1, 2, 3, 4])
  })

  it('of onProgress itself fail the task', async () => {
    const onProgress = () => {
      throw new Error('listener')
    }
    await expect(compute.run('count', 3, { onProgress })).rejects.toMatchObject({ cause: { message: 'listener' } })
  })

  it('tell of a module without tasks', async () => {
    const broken = createThreadCompute({ tasks: new URL('./nothing.ts', import.meta.url), threads: 1, memoryMb: 200 })
    await expect(broken.run('echo', 1)).rejects.toMatchObject(UNKNOWN)
    await expect(broken.run('echo', 1)).rejects.toMatchObject(UNKNOWN)
    await broken.close()
  })
})

describe('memory', () => {
  it.each(['growArray', 'growObjects', 'growText', 'growBuffers'])(
    'a task that takes too much (%s) fails alone, and says why',
    async (task) => {
      const hungry = compute.run(task, null)
      const other = compute.run('burn', 300)
      await expect(hungry).rejects.toMatchObject({
        ...UNKNOWN,
        message: 'The document needs too much memory: more than 200 MB.',
      })
      expect(typeof (await other)).toBe('number')
      expect(await compute.run('echo', 'still here')).toBe('still here')
    },
  )

  it('garbage does not count against a task that keeps little', async () => {
    expect(await compute.run('churn', 1_500)).toBeGreaterThan(0)
  })

  it('a thread that keeps much after its task is not used again', async () => {
    const pool = createThreadCompute({ tasks, threads: 1, memoryMb: 100 })
    const first = await pool.run('hoard', 10_000_000)
    expect(await pool.run('hoard', 70_000_000)).toBe(first)
    expect(await pool.run('thread', null)).not.toBe(first)
    await pool.close()
  })
})

describe('abort', () => {
  it('ends a loop that never pauses', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const begun = Promise.withResolvers<void>()
    const running = compute.run('forever', null, { signal: controller.signal, onProgress: () => begun.resolve() })
    await begun.promise
    const started = performance.now()
    controller.abort(reason)
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED', cause: reason })
    expect(performance.now() - started).toBeLessThan(200)
    expect(await Promise.all([1, 2, 3].map((n) => compute.run('echo', n)))).toEqual([1, 2, 3])
  })

  it('frees the thread for what waits', async () => {
    const pool = createThreadCompute({ tasks, threads: 1, memoryMb: 200 })
    const controller = new AbortController()
    const running = pool.run('forever', null, { signal: controller.signal })
    const waiting = pool.run('echo', 'next')
    controller.abort()
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(await waiting).toBe('next')
    await pool.close()
  })

  it('takes a waiting task out of the queue and leaves the running ones alone', async () => {
    const pool = createThreadCompute({ tasks, threads: 1, memoryMb: 200 })
    const controller = new AbortController()
    const running = pool.run('sleep', 200)
    const waiting = pool.run('forever', null, { signal: controller.signal })
    const last = pool.run('thread', null)
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(await last).toBe(await running)
    await pool.close()
  })

  it('before or after the task changes nothing else', async () => {
    await expect(compute.run('echo', 1, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' })
    const pool = createThreadCompute({ tasks, threads: 1, memoryMb: 200 })
    const controller = new AbortController()
    const first = await pool.run('thread', null, { signal: controller.signal })
    controller.abort()
    expect(await pool.run('thread', null)).toBe(first)
    await pool.close()
  })
})

describe('threads', () => {
  const pools: { close(): Promise<void> }[] = []
  afterEach(async () => {
    await Promise.all(pools.splice(0).map((pool) => pool.close()))
  })
  const make = (threads: number) => {
    const pool = createThreadCompute({ tasks, threads, memoryMb: 200 })
    pools.push(pool)
    return pool
  }

  it('are no more than allowed, and are used again', async () => {
    const pool = make(2)
    const ids = await Promise.all(Array.from({ length: 12 }, () => pool.run('sleep', 20)))
    expect(new Set(ids).size).toBe(2)
    expect(ids).toContain(await pool.run('thread', null))
  })

  it('start only when needed', async () => {
    const pool = make(8)
    const ids = new Set<unknown>()
    for (let i = 0; i < 5; i++) ids.add(await pool.run('thread', null))
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
    let last = performance.now()
    let longest = 0
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
    }, 5)
    await Promise.all(Array.from({ length: 4 }, () => pool.run('burn', 400)))
    clearInterval(timer)
    expect(longest).toBeLessThan(200)
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

  it('that are idle let the process end, and those that work do not', async () => {
    const driver = new URL('../../src/drivers/compute-threads.ts', import.meta.url)
    const script = `
      import { createThreadCompute } from '${driver}'
      const compute = createThreadCompute({ tasks: new URL('${tasks}'), threads: 2, memoryMb: 100 })
      compute.run('sleep', 300).then(() => console.log('slept'))
      compute.run('echo', 1)
    `
    const node = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 })
    expect(await node).toEqual({ stdout: 'slept\n', stderr: '' })
  })
})
