/** Compute of two pools: tasks that need more memory than others run in processes of their own. */
import type { Compute } from '../ports.ts'

type ClosableCompute = Compute & { close(): Promise<void> }

/**
 * Joins two pools. Slots, and the CPU time of a document, are those of the first.
 * @param large runs the tasks that `isLarge` names
 */
export function createSplitCompute(
  common: ClosableCompute,
  large: ClosableCompute,
  isLarge: (task: string) => boolean,
): ClosableCompute {
  return {
    documentCpuMs: common.documentCpuMs,
    run: (task, input, options) => (isLarge(task) ? large : common).run(task, input, options),
    withSlot: (work, options) => common.withSlot(work, options),
    close: async () => {
      await Promise.all([common.close(), large.close()])
    },
  }
}
