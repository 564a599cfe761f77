/** Recognises English speech on this machine, by the task `rag.transcribe`. */
import type { Compute } from '../../../ports.ts'
import { SegmentList } from '../operations/scratch.ts'
import type { SpeechRecognizer } from './recognizer.ts'

/** Longer pieces are recognised better, up to the half minute that the model was trained on. */
const PIECE = { minSeconds: 16, maxSeconds: 28 }
/** Longest time of a piece on a busy machine, its wait for a slot and the loading of the model included. */
const TIMEOUT_MS = 120_000

/** Makes the recognizer over a server's Compute; the first task loads the model. */
export function createLocalRecognizer(compute: Compute, owner: string): SpeechRecognizer {
  return {
    piece: PIECE,
    timeoutMs: TIMEOUT_MS,
    async recognize(samples, { signal }) {
      const found = await compute.run('rag.transcribe', { samples }, { signal, owner })
      return { language: 'en', segments: SegmentList.parse(found) }
    },
  }
}
