/** Recognises pieces of a recording by a hosted service, each sent as a WAV file. */
import type { Transcriber } from '../../../speech-ports.ts'
import type { SpeechRecognizer } from './recognizer.ts'
import { makeWav } from './wav.ts'

/** A piece of five minutes is a file of 9.6 MB, well below the 25 MB that services take. */
const PIECE = { minSeconds: 240, maxSeconds: 300 }
/** Longest time of a piece: see `transcribe-openai.ts`. */
const TIMEOUT_MS = 240_000

/** Makes the recognizer of a service. @param language as the caller declared it; null: the service detects it */
export function createHostedRecognizer(transcriber: Transcriber, language: string | null): SpeechRecognizer {
  return {
    piece: PIECE,
    timeoutMs: TIMEOUT_MS,
    recognize: (samples, { signal }) =>
      transcriber.transcribe(
        { bytes: makeWav(samples), filename: 'part.wav', contentType: 'audio/wav' },
        { signal, ...(language === null ? {} : { language }) },
      ),
  }
}
