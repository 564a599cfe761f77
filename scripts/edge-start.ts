/** Measures how long a built Worker takes to start in workerd, by the CPU time of the process: inside, the clock stands still until the first I/O. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { unstable_readConfig } from 'wrangler'
import { type Module, modulesOf } from './edge-modules.ts'

const CONFIG = join(import.meta.dirname, '..', 'wrangler.toml')
const ROUNDS = 8
const EMPTY = 'export class MillraceBatch {} export class MillraceTimer {} export default {}'

/**
 * Starts the Worker and an empty one in turn, both under the flags of wrangler.toml, and compares the CPU time that workerd has used when
 * it is ready: what else the machine does is not in it.
 * @returns milliseconds: the least of either, subtracted
 */
export async function measureStart(folder: string): Promise<number> {
  const ours = await modulesOf(folder)
  const empty: Module[] = [{ type: 'ESModule', path: join(folder, 'worker.js'), contents: EMPTY }]
  const times = { ours: Number.POSITIVE_INFINITY, empty: Number.POSITIVE_INFINITY }
  for (let round = 0; round < ROUNDS; round++) {
    times.empty = Math.min(times.empty, await cpuToReady(empty, folder))
    times.ours = Math.min(times.ours, await cpuToReady(ours, folder))
  }
  return times.ours - times.empty
}

async function cpuToReady(modules: Module[], folder: string): Promise<number> {
  const { compatibility_date: compatibilityDate = '', compatibility_flags: compatibilityFlags } = unstable_readConfig({
    config: CONFIG,
  })
  const before = new Set(await children())
  const server = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      modules,
      modulesRoot: folder,
      compatibilityDate,
      compatibilityFlags,
      durableObjects: {
        BATCHES: { className: 'MillraceBatch', useSQLite: true },
        TIMER: { className: 'MillraceTimer', useSQLite: true },
      },
    }),
  )
  try {
    await server.ready
    const pid = (await children()).find((one) => !before.has(one))
    if (pid === undefined) throw new Error('workerd could not be found among the processes.')
    return await cpuOf(pid)
  } finally {
    await server.dispose()
  }
}

/** Processes that this one started. */
async function children(): Promise<string[]> {
  const tasks = await readdir('/proc/self/task')
  const lists = await Promise.all(tasks.map((task) => readFile(`/proc/self/task/${task}/children`, 'utf8')))
  return lists.flatMap((list) => list.trim().split(' ')).filter((pid) => pid !== '')
}

/** Milliseconds that all threads of a process ran. */
async function cpuOf(pid: string): Promise<number> {
  const tasks = await readdir(`/proc/${pid}/task`)
  const times = await Promise.all(tasks.map((task) => readFile(`/proc/${pid}/task/${task}/schedstat`, 'utf8')))
  return times.reduce((sum, text) => sum + Number(text.split(' ')[0]) / 1_000_000, 0)
}
