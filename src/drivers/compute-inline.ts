/**
 * Compute in a Worker, which has one thread. A task runs in the invocation's own thread, so it must yield between its steps, and can be
 * stopped only there; its memory is the Worker's.
 */
import { MillraceError } from '../errors.ts'
import { FairSemaphore } from '../fair-semaphore.ts'
import type { Compute, ComputeTasks } from '../ports.ts'
import { IsolateMutex } from './compute-isolate-mutex.ts'

/** Of all invocations that run in this isolate: they share its memory. */
const isolateMutex = new IsolateMutex()

/** Default time that all tasks of one document may take together, in milliseconds of elapsed time. */
const DOCUMENT_CPU_MS = 60_000

/**
 * Makes the Compute of an invocation. Each task's code is loaded when it is first asked for, which keeps it out of a Worker's start.
 * @param options `documentCpuMs`: see the port; default 60,000. Checked between tasks: one that runs in this thread can't be ended midway
 */
export function createInlineCompute(tasks: ComputeTasks, options: { documentCpuMs?: number } = {}): Compute {
  // One at a time: several would share one thread, be no sooner done, and all be in memory.
  const semaphore = new FairSemaphore({ slots: 1 }, cancelled)
  return {
    sharesServerMemory: true,
    documentCpuMs: options.documentCpuMs ?? DOCUMENT_CPU_MS,
    withSlot: (work, { signal, owner = '' } = {}) =>
      semaphore.withSlot(
        owner,
        () => isolateMutex.take(work, signal === undefined ? { owner } : { owner, signal }),
        signal,
      ),
    async run(name, input, { signal, onProgress, transfer, onCpuTime, owner = '' } = {}) {
      if (signal?.aborted) throw cancelled(signal)
      const load = Object.hasOwn(tasks, name) ? tasks[name] : undefined
      if (load === undefined) throw new MillraceError('UNKNOWN', `There is no task "${name}".`)
      const given = structuredClone(input, { transfer: [...(transfer ?? [])] })
      let running = true
      const began = performance.now()
      const progress = (value: unknown) => {
        // Thrown into the task itself: of what is aborted, no further step is done.
        if (signal?.aborted) throw cancelled(signal)
        if (running) onProgress?.(structuredClone(value))
      }
      const othersWait = () => semaphore.othersWait(owner) || isolateMutex.othersWait(owner)
      const { promise: aborted, reject } = Promise.withResolvers<never>()
      const abort = () => reject(cancelled(signal))
      signal?.addEventListener('abort', abort, { once: true })
      try {
        const task = async () => structuredClone(await (await load())(given, { progress, othersWait }))
        return await Promise.race([task(), aborted])
      } catch (error) {
        throw asMillraceError(error)
      } finally {
        running = false
        onCpuTime?.(performance.now() - began)
        signal?.removeEventListener('abort', abort)
      }
    },
  }
}

function asMillraceError(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error
  const cause = error instanceof Error ? error : new Error(String(error))
  return new MillraceError('UNKNOWN', 'The task failed unexpectedly.', { cause })
}

function cancelled(signal: AbortSignal | undefined): MillraceError {
  return new MillraceError('CANCELLED', 'The task was cancelled.', { cause: signal?.reason })
}
