/** CPU-heavy work of the operations, loaded when first asked for; on Node in processes of their own. */
import type { ComputeTasks } from './ports.ts'

/** Every task by the name that operations call it by. */
export const computeTasks: ComputeTasks = {
  'heat-sheet.parse': async () => {
    const [{ default: task }, { preloadPdf }] = await Promise.all([
      import('./features/heat-sheets/parse-task.ts'),
      import('./formats/pdf-document.ts'),
    ])
    await preloadPdf()
    return task
  },
  'heat-sheet.parse-pages': async () => (await import('./features/heat-sheets/parse-pages-task.ts')).default,
}
