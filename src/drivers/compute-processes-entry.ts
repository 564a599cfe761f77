/** Entry of the processes of compute-processes.ts: loads the tasks, runs one at a time, reports on it by messages. */
import { MillraceError } from '../errors.ts'
import type { ComputeTasks } from '../ports.ts'
import { IS_BUILT } from './files-node.ts'
import { mapStackTraces } from './source-maps-node.ts'

/** A task to run. Every message about it repeats `id`. */
export interface Order {
  readonly id: number
  readonly task: string
  readonly input: unknown
}

/** Message of a process about a task. `residentBytes` is the memory that the whole process still holds once the task has ended. */
export type Report =
  | { readonly id: number; readonly kind: 'progress'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'completed'; readonly result: unknown; readonly residentBytes: number }
  | { readonly id: number; readonly kind: 'failed'; readonly error: ReportedError; readonly residentBytes: number }

/** An error as it crosses between processes; `code` is null for anything but a MillraceError. */
export interface ReportedError {
  readonly code: string | null
  readonly message: string
  readonly stack: string | undefined
}

if (IS_BUILT) mapStackTraces()
const tasksUrl = String(process.argv[2])

async function load(): Promise<ComputeTasks> {
  const module: unknown = await import(tasksUrl)
  const tasks = isObject(module) ? module.computeTasks : undefined
  if (!isComputeTasks(tasks)) throw new Error(`${tasksUrl} does not export computeTasks`)
  return tasks
}

async function run({ id, task, input }: Order): Promise<void> {
  // A task that waits for what never comes then ends the process, for nothing else is left to wait for.
  process.channel?.unref()
  try {
    const tasks = await loading
    const begin = Object.hasOwn(tasks, task) ? tasks[task] : undefined
    if (begin === undefined) throw new MillraceError('UNKNOWN', `There is no task "${task}".`)
    const execute = await begin()
    const result = await execute(input, { progress: (value) => say({ id, kind: 'progress', value }) })
    say({ id, kind: 'completed', result, residentBytes: process.memoryUsage.rss() })
  } catch (error) {
    say({ id, kind: 'failed', error: reported(error), residentBytes: process.memoryUsage.rss() })
  } finally {
    process.channel?.ref()
  }
}

function say(report: Report): void {
  process.send?.(report)
}

function reported(error: unknown): ReportedError {
  if (!(error instanceof Error)) return { code: null, message: String(error), stack: undefined }
  return { code: error instanceof MillraceError ? error.code : null, message: error.message, stack: error.stack }
}

function isComputeTasks(value: unknown): value is ComputeTasks {
  return isObject(value) && Object.values(value).every((load) => typeof load === 'function')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

// A signal that stops the server may reach all its processes. The server decides when these end, since what they do is then still wanted.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
process.on('disconnect', () => process.exit())
// A task's answer is what it resolves to. What fails beside it unheard, as pdf.js does in damaged documents, is none; in a Worker it is none either.
process.on('unhandledRejection', () => {})
const loading = load()
// Loads the code of tasks ahead, since a process may be started before it gets one. A load that fails is reported by the task that needs it.
loading.then((tasks) => Promise.allSettled(Object.values(tasks).map((begin) => begin()))).catch(() => {})
process.on('message', (order: Order) => void run(order))
