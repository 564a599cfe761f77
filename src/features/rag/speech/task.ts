/** Compute task that recognises the words of a piece of English speech, with the times of its sentences. */
import * as z from 'zod'
import type { ComputeTask, TaskFiles } from '../../../ports.ts'
import { loadMoonshine } from './moonshine.ts'
import { timeSentences } from './sentence-times.ts'

const Input = z.object({ samples: z.instanceof(Int16Array) })

/** Makes the task `rag.transcribe`: `{samples}` → the segments of the piece; none where there is no speech. */
export function transcribeTask(files: TaskFiles): ComputeTask {
  return async (input) => {
    const { samples } = Input.parse(input)
    const model = await loadMoonshine(files)
    const text = await model.transcribe(Float32Array.from(samples, (value) => value / 32_768))
    return timeSentences(text, samples)
  }
}
