/** The tasks of every Compute, and such as misbehave in every way a server must survive. */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { ComputeTask, ComputeTasks } from '../../src/ports.ts'
import { computeTasks as contractTasks } from '../contracts/compute-tasks.ts'

function burn(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

const tasks: Record<string, ComputeTask> = {
  /** After so many milliseconds. */
  pid: async (input) => await setTimeout(Number(input), process.pid),
  burn: async (input) => {
    burn(Number(input))
    return process.pid
  },
  /** So many milliseconds of its own CPU time. */
  burnCpu: async (input) => {
    const end = process.cpuUsage().user + Number(input) * 1_000
    while (process.cpuUsage().user < end);
    await setTimeout(50)
    return process.pid
  },
  forever: async (_, { progress }) => {
    progress('begun')
    for (;;);
  },
  never: () => new Promise(() => {}),
  exit: async () => process.exit(3),
  stray: async () => {
    void Promise.reject(new Error('nobody catches this'))
    return setTimeout(100, 'answered')
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

export const computeTasks: ComputeTasks = {
  ...contractTasks,
  ...Object.fromEntries(Object.entries(tasks).map(([name, task]) => [name, async () => task])),
}
