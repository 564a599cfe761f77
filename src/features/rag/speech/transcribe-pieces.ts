/**
 * Transcribes a recording a piece at a time. Each piece is a checkpoint, so that a run that is killed repeats at most one, and a piece that a
 * service is too busy for is tried again by itself.
 */
import * as z from 'zod'
import { MillraceError } from '../../../errors.ts'
import type { ContinueAt, RunContext } from '../../../operation.ts'
import type { DecodedAudio, MediaDecoder, Transcription } from '../../../speech-ports.ts'
import { keepSegments, readSegments } from '../operations/scratch.ts'
import type { Segment } from '../types.ts'
import { PieceReader } from './pieces.ts'
import { SAMPLE_RATE, type SpeechRecognizer } from './recognizer.ts'
import { describeTime, estimateRemaining } from './remaining-time.ts'

/** Pieces of a recording that were transcribed, as kept between runs. */
export const SpeechState = z.object({
  /** Seconds of the recording that are done. */
  until: z.number(),
  /** Key of their segments; null before the first. */
  key: z.string().nullable(),
  language: z.string().nullable(),
  /** Tries of the next piece that failed. */
  failures: z.int(),
})
export type SpeechState = z.infer<typeof SpeechState>

const NOTHING_YET: SpeechState = { until: 0, key: null, language: null, failures: 0 }

/** Tries of a piece. */
const MAX_TRIES = 5
/** Pause after the first failure of a piece, in milliseconds, where the service asks for none; it doubles with each. */
const FIRST_PAUSE_MS = 2_000
const MAX_PAUSE_MS = 60 * 60 * 1_000
/** Time within which a run begins pieces, in milliseconds. The next run continues. */
const RUN_MS = 120_000

/** A recording to be transcribed. */
export interface PiecewiseRecording {
  /** Path of its file on this machine. */
  readonly path: string
  readonly decoder: MediaDecoder
  readonly recognizer: SpeechRecognizer
  /** State that an earlier run kept; null at the first. */
  readonly state: SpeechState | null
  /** Longest time that this run may take, in milliseconds. */
  readonly timeLimitMs: number
  /** Stores the state in the job's checkpoint. */
  readonly keep: (state: SpeechState) => Promise<void>
  /** Receives the share of the recording that is done, 0 to 1, and a sentence. */
  readonly report: (share: number, message: string) => void
  /** Checks the language that the file declares. @throws MillraceError where it can't be recognised */
  readonly checkLanguage: (declared: string | null) => void
}

/** Result of a run: the whole transcript, or when the next run continues. */
export type PiecewiseResult =
  | { readonly kind: 'done'; readonly transcription: Transcription; readonly state: SpeechState }
  | { readonly kind: 'continue'; readonly outcome: ContinueAt | 'continue' }

/**
 * Transcribes a recording, from where an earlier run ended.
 * @throws MillraceError as the decoder and the recognizer do
 */
export async function transcribeInPieces(ctx: RunContext, recording: PiecewiseRecording): Promise<PiecewiseResult> {
  const { decoder, recognizer, path } = recording
  const segments = recording.state?.key == null ? [] : await readSegments(ctx.blobs, recording.state.key)
  // Segments that are gone are made anew.
  const state = segments === null ? NOTHING_YET : (recording.state ?? NOTHING_YET)
  const audio = await decoder.decode(path, { fromSeconds: state.until, signal: ctx.signal })
  try {
    const reader = new PieceReader(audio.pcm, recognizer.piece)
    return await new PieceLoop(ctx, recording, { state, segments: segments ?? [] }).run(reader, audio)
  } finally {
    await audio.close()
  }
}

class PieceLoop {
  readonly #ctx: RunContext
  readonly #recording: PiecewiseRecording
  readonly #segments: Segment[]
  readonly #beganAt: number
  readonly #beganWith: number
  #state: SpeechState

  constructor(
    ctx: RunContext,
    recording: PiecewiseRecording,
    { state, segments }: { readonly state: SpeechState; readonly segments: readonly Segment[] },
  ) {
    this.#ctx = ctx
    this.#recording = recording
    this.#state = state
    this.#segments = [...segments]
    this.#beganAt = ctx.clock.now()
    this.#beganWith = state.until
  }

  async run(reader: PieceReader, audio: Pick<DecodedAudio, 'durationSeconds' | 'language'>): Promise<PiecewiseResult> {
    for (let samples = await reader.next(); samples !== null; samples = await reader.next()) {
      this.#recording.checkLanguage(audio.language)
      this.#report(audio.durationSeconds)
      if (this.#isLong()) return { kind: 'continue', outcome: 'continue' }
      const outcome = await this.#transcribe(samples)
      if (outcome !== null) return { kind: 'continue', outcome }
    }
    const { language } = this.#state
    return { kind: 'done', transcription: { language, segments: this.#segments }, state: this.#state }
  }

  /** Transcribes a piece and keeps the result. @returns when to try again, where the service is too busy */
  async #transcribe(samples: Int16Array<ArrayBuffer>): Promise<ContinueAt | null> {
    const { until, key, language, failures } = this.#state
    let found: Transcription
    try {
      found = await this.#recording.recognizer.recognize(samples, { signal: this.#ctx.signal })
    } catch (error) {
      if (!(error instanceof MillraceError) || !error.transient || failures + 1 >= MAX_TRIES) throw error
      await this.#recording.keep({ ...this.#state, failures: failures + 1 })
      return { continueAt: this.#ctx.clock.now() + pauseAfter(error, failures) }
    }
    for (const { start, end, text } of found.segments) {
      this.#segments.push({ start: round(until + start), end: round(until + end), text })
    }
    const kept = await keepSegments(this.#ctx.blobs, this.#segments)
    this.#state = {
      until: until + samples.length / SAMPLE_RATE,
      key: kept,
      language: language ?? found.language,
      failures: 0,
    }
    await this.#recording.keep(this.#state)
    if (key !== null) await this.#ctx.blobs.delete([key])
    return null
  }

  /** True where the next piece might not end within the time of a run. */
  #isLong(): boolean {
    const { recognizer, timeLimitMs } = this.#recording
    const spent = this.#ctx.clock.now() - this.#beganAt
    return spent > Math.min(RUN_MS, timeLimitMs - recognizer.timeoutMs) || this.#ctx.budgetExhausted()
  }

  #report(durationSeconds: number | null): void {
    const { until } = this.#state
    if (durationSeconds === null || durationSeconds <= 0) {
      this.#recording.report(0, `Transcribed ${describeTime(until)}`)
      return
    }
    const spentMs = this.#ctx.clock.now() - this.#beganAt
    const done = { seconds: until - this.#beganWith, spentMs }
    const remaining = estimateRemaining(done, durationSeconds - until)
    const message = `Transcribed ${describeTime(until)} of ${describeTime(durationSeconds)}${remaining}`
    this.#recording.report(Math.min(1, until / durationSeconds), message)
  }
}

const round = (seconds: number) => Math.round(seconds * 1_000) / 1_000

function pauseAfter(error: MillraceError, failures: number): number {
  const asked = error.details?.retryAfterSeconds
  const pause = typeof asked === 'number' ? asked * 1_000 : FIRST_PAUSE_MS * 2 ** failures
  return Math.min(pause, MAX_PAUSE_MS)
}
