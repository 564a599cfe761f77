/** Interface of what recognises a piece of decoded sound: a hosted service, or the model of this server. */
import type { Transcription } from '../../../speech-ports.ts'

/** Samples of one channel a second, in all decoded sound. */
export const SAMPLE_RATE = 16_000

/** Length of a piece. It ends at a silence between `minSeconds` and `maxSeconds`, where the recording is longer. */
export interface PieceLength {
  readonly minSeconds: number
  readonly maxSeconds: number
}

/** Recognises speech a piece at a time. */
export interface SpeechRecognizer {
  readonly piece: PieceLength
  /** Longest time that a piece may take, in milliseconds. */
  readonly timeoutMs: number
  /**
   * Recognises the words of a piece. Times are seconds from its beginning.
   * @throws MillraceError as Transcriber and Compute do
   */
  recognize(samples: Int16Array<ArrayBuffer>, options: { readonly signal: AbortSignal }): Promise<Transcription>
}
