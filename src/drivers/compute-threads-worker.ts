/** What runs inside a thread of compute-threads.ts: loads the tasks, runs one at a time, tells of it by messages. */

import { getHeapStatistics } from 'node:v8'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { MillraceError } from '../errors.ts'
import type { ComputeTasks } from '../ports.ts'

/** A task to run. `id` is said again in every message about it. */
export interface Order {
  readonly id: number
  readonly task: string
  readonly input: unknown
}

/** What a thread says of a task. `usedBytes` is what the thread still holds once the task has ended. */
export type Report =
  | { readonly id: number; readonly kind: 'progress'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'completed'; readonly result: unknown; readonly usedBytes: number }
  | { readonly id: number; readonly kind: 'failed'; readonly error: ReportedError; readonly usedBytes: number }

/** An error as it crosses between threads; `code` is null for anything but a MillraceError. */
export interface ReportedError {
  readonly code: string | null
  readonly message: string
  readonly stack: string | undefined
}

async function serve(port: MessagePort, tasksUrl: string): Promise<void> {
  const module: unknown = await import(tasksUrl)
  const tasks = isObject(module) ? module.computeTasks : undefined
  if (!isComputeTasks(tasks)) throw new Error(`${tasksUrl} does not export computeTasks`)
  port.on('message', (order: Order) => {
    void run(port, tasks, order)
  })
}

async function run(port: MessagePort, tasks: ComputeTasks, { id, task, input }: Order): Promise<void> {
  const say = (report: Report) => port.postMessage(report)
  try {
    const load = Object.hasOwn(tasks, task) ? tasks[task] : undefined
    if (load === undefined) throw new MillraceError('UNKNOWN', `There is no task "${task}".`)
    const execute = await load()
    const result = await execute(input, { progress: (value) => say({ id, kind: 'progress', value }) })
    say({ id, kind: 'completed', result, usedBytes: usedBytes() })
  } catch (error) {
    say({ id, kind: 'failed', error: reported(error), usedBytes: usedBytes() })
  }
}

function reported(error: unknown): ReportedError {
  if (!(error instanceof Error)) return { code: null, message: String(error), stack: undefined }
  return { code: error instanceof MillraceError ? error.code : null, message: error.message, stack: error.stack }
}

function usedBytes(): number {
  const heap = getHeapStatistics()
  return heap.used_heap_size + heap.external_memory
}

function isComputeTasks(value: unknown): value is ComputeTasks {
  return isObject(value) && Object.values(value).every((load) => typeof load === 'function')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

if (parentPort === null) throw new Error('This module runs in a worker thread only')
await serve(parentPort, String(workerData))
