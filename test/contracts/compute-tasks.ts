/** Tasks for the suite of every Compute. Name no runtime, and need nothing but a clock. */
import { MillraceError } from '../../src/errors.ts'
import type { ComputeTask, ComputeTasks } from '../../src/ports.ts'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const tasks: Record<string, ComputeTask> = {
  echo: async (input) => input,
  count: async (input, { progress }) => {
    for (let i = 1; i <= Number(input); i++) progress(i)
    return 'counted'
  },
  lateProgress: async (_, { progress }) => {
    void pause(50).then(() => progress('late'))
  },
  sleep: async (input) => {
    await pause(Number(input))
    return 'slept'
  },
  steps: async (input, { progress }) => {
    for (let i = 1; i <= Number(input); i++) {
      progress(i)
      await pause(5)
    }
  },
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
}

export const computeTasks: ComputeTasks = {
  ...Object.fromEntries(Object.entries(tasks).map(([name, task]) => [name, async () => task])),
  unloadable: async () => {
    throw new Error('the module is broken')
  },
}
