/** Interfaces of the parts that recognise speech, as types, beside those of `ports.ts`. */

/** The words of a recording, and their language (BCP 47; null where unknown). Times are seconds from its beginning. */
export interface Transcription {
  readonly language: string | null
  readonly segments: readonly { readonly start: number; readonly end: number; readonly text: string }[]
}

/** Recognises speech. */
export interface Transcriber {
  /** Bytes that a recording may have. */
  readonly maxBytes: number
  /**
   * Transcribes a recording of any common format. Silence gives no segment.
   * @throws MillraceError RATE_LIMIT and SERVICE_UNAVAILABLE (with `details.retryAfterSeconds` where the service said when), NETWORK_ERROR,
   * TIMEOUT, TOO_LARGE, UNREADABLE_DOCUMENT; what `signal` was aborted with
   * @param options `language`: the one that is spoken (BCP 47); default: it is detected
   */
  transcribe(
    recording: { readonly bytes: Uint8Array<ArrayBuffer>; readonly filename: string; readonly contentType: string },
    options: { readonly signal: AbortSignal; readonly language?: string },
  ): Promise<Transcription>
}

/** Sound of a recording while it is decoded. */
export interface DecodedAudio {
  /** Samples of one channel, 16,000 a second, 16 bits signed, little-endian; decoded only as fast as they are read. @throws as `decode` does */
  readonly pcm: AsyncIterable<Uint8Array>
  /** Length of the whole recording in seconds; null where its file does not say, and until the first samples came. */
  readonly durationSeconds: number | null
  /** Language that the file declares for its sound, as a tag of two or three letters; null where it declares none, and until the first samples came. */
  readonly language: string | null
  /** Ends the decoder. Resolves when its process has ended. */
  close(): Promise<void>
}

/** Decodes the sound of audio and video of common formats. */
export interface MediaDecoder {
  /** Returns true where its program is installed now. */
  isAvailable(): Promise<boolean>
  /**
   * Begins to decode the first sound track of a file.
   * @param path of a file of this machine
   * @param options `fromSeconds`: where to begin. `signal`: ends it
   * @throws MillraceError UNREADABLE_DOCUMENT for a file that is no recording or damaged from its beginning, NO_TEXT for one without sound, TOO_LARGE where it
   * takes too much memory or CPU time, TIMEOUT, SERVICE_UNAVAILABLE where the program is missing; what `signal` was aborted with
   */
  decode(path: string, options: { readonly fromSeconds: number; readonly signal: AbortSignal }): Promise<DecodedAudio>
}

/** Parts by which a server recognises speech; those that it does not have are null. */
export interface Speech {
  readonly transcriber: Transcriber | null
  readonly decoder: MediaDecoder | null
  /** The model of this server, which runs in Compute as the task `rag.transcribe`; null where the runtime can't run it. */
  readonly local: { isInstalled(): boolean } | null
}
