/** Tasks that misbehave in every way a server must survive. */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { MillraceError } from '../../src/errors.ts'
import type { ComputeTask, ComputeTasks } from '../../src/ports.ts'

function burn(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

const tasks: Record<string, ComputeTask> = {
  echo: async (input) => input,
  pid: async () => process.pid,
  burn: async (input) => {
    burn(Number(input))
    return process.pid
  },
  sleep: async (input) => await setTimeout(Number(input), process.pid),
  forever: async (_, { progress }) => {
    progress('begun')
    for (;;);
  },
  count: async (input, { progress }) => {
    for (let i = 1; i <= Number(input); i++) progress(i)
    return 'counted'
  },
  lateProgress: async (_, { progress }) => {
    void setTimeout(50).then(() => progress('late'))
  },
  never: () => new Promise(() => {}),
  noText: async () => {
    throw new MillraceError('NO_TEXT', 'This PDF holds pictures only.')
  },
  bug: async () => {
    throw new TypeError('x is not a function')
  },
  oddThrow: async () => {
    throw 'a string'
  },
  foreignCode: async () => {
    throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
  },
  uncloneable: async () => () => {},
  exit: async () => process.exit(3),
  stray: async () => {
    void Promise.reject(new Error('nobody catches this'))
    await setTimeout(1_000)
  },
  growArray: async () => {
    const all: number[] = []
    for (;;) all.push(1.5)
  },
  growObjects: async () => {
    const all: unknown[] = []
    for (;;) all.push({ x: 1, y: { z: all.length } })
  },
  growText: async () => {
    const all: string[] = []
    for (let i = 0; ; i++) all.push(`page ${i} of a text`)
  },
  growBuffers: async () => {
    const all: Uint8Array[] = []
    for (;;) all.push(new Uint8Array(1_000_000).fill(1))
  },
  churn: async (input) => {
    let size = 0
    for (const end = performance.now() + Number(input); performance.now() < end; ) {
      size += JSON.stringify(
        JSON.parse(JSON.stringify(Array.from({ length: 5_000 }, (_, i) => ({ i, t: `x${i}` })))),
      ).length
    }
    return size
  },
  growAtOnce: async () => new Uint8Array(4_000_000_000).fill(1).length,
  environment: async () => process.env,
  /** What a document might do that got control of the process: each answers what came of it. */
  escape: async (input) => {
    const path = String(input)
    const outcome = (attempt: () => unknown) => {
      try {
        return attempt()
      } catch (error) {
        return error instanceof Error && 'code' in error ? error.code : String(error)
      }
    }
    return {
      write: outcome(() => writeFileSync(path, 'x')),
      read: outcome(() => readFileSync('/etc/passwd').length),
      spawn: outcome(() => spawnSync('true').error?.message ?? 'spawned'),
      thread: outcome(() => new Worker('', { eval: true, execArgv: [] }).threadId),
      addon: outcome(() => process.dlopen({ exports: {} }, path)),
      evaluate: outcome(() => new Function('return 1')()),
    }
  },
  hoard: async (input) => {
    Object.assign(globalThis, { hoard: new Uint8Array(Number(input)).fill(1) })
    return process.pid
  },
}

export const computeTasks: ComputeTasks = Object.fromEntries([
  ...Object.entries(tasks).map(([name, task]) => [name, async () => task]),
  [
    'unloadable',
    async () => {
      throw new Error('the module is broken')
    },
  ],
])
