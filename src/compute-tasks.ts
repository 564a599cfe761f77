/** CPU-heavy work of the operations, loaded when first asked for; on Node in processes of their own. */
import type { ComputeTasks, TaskFiles } from './ports.ts'

/** Makes every task, by the name that operations call it by. */
export const createComputeTasks = (files: TaskFiles): ComputeTasks => ({
  'heat-sheet.parse': async () => {
    const [{ default: task }, { preloadPdf }] = await Promise.all([
      import('./features/heat-sheets/parse-task.ts'),
      import('./formats/pdf-document.ts'),
    ])
    await preloadPdf()
    return task
  },
  'heat-sheet.text': async () => {
    const [{ default: task }, { preloadPdf }] = await Promise.all([
      import('./features/heat-sheets/by-model/text-task.ts'),
      import('./formats/pdf-document.ts'),
    ])
    await preloadPdf()
    return task
  },
  'heat-sheet.parse-pages': async () => (await import('./features/heat-sheets/parse-pages-task.ts')).default,
  'cards.read-workbook': async () => (await import('./features/cards/import/workbook-task.ts')).default,
  'rag.read': async () => (await import('./features/rag/read-task.ts')).default,
  'rag.feed': async () => (await import('./features/rag/channels/feed-task.ts')).default,
  'rag.chunk': async () => (await import('./features/rag/embed/tasks.ts')).chunkTask(files),
  'rag.transcribe': async () => (await import('./features/rag/speech/task.ts')).transcribeTask(files),
  'rag.embed': async () => (await import('./features/rag/embed/tasks.ts')).embedTask(files),
})
