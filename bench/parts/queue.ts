/** Workload and result schemas that both compared queues share, and the code that runs a round of each. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'

/** Jobs a worker runs at once. */
export const CONCURRENCY = 100
/** Jobs handed over by one call. */
export const JOBS_A_CALL = 1_000

/** Milliseconds until the last job was completed, and until the last was added. */
export const Throughput = z.object({ ms: z.number(), addedMs: z.number() })
export type Throughput = z.infer<typeof Throughput>

/** Milliseconds until a follower heard that a job was completed, one value a job. */
export const Latency = z.object({ fromAsked: z.array(z.number()), fromAccepted: z.array(z.number()) })
export type Latency = z.infer<typeof Latency>

/** Runs a script to its end and reads the JSON it prints. */
export async function round<T>(schema: z.ZodType<T>, script: string, ...args: (string | number)[]): Promise<T> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(import.meta.dirname, script), ...args.map(String)],
    { maxBuffer: 64 * 1024 * 1024 },
  )
  return schema.parse(JSON.parse(stdout))
}

/** A Redis of our own that keeps what it is told: an append-only file, synced every second. */
export async function startRedis(): Promise<{ port: number } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-redis-'))
  const port = await freePort()
  const options = { port, dir: folder, appendonly: 'yes', appendfsync: 'everysec', save: '' }
  const child = spawn(
    'redis-server',
    Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
    { stdio: 'ignore' },
  )
  const ended = once(child, 'close')
  while (!(await answers(port))) await new Promise((resolve) => setTimeout(resolve, 20))
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
      await rm(folder, { recursive: true })
    },
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  return address === null || typeof address === 'string' ? 0 : address.port
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
