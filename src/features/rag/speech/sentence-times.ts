/**
 * Finds when each sentence of a piece is said. The model gives words without times: a sentence begins at that share of the voiced time which its
 * characters are of the text, moved to the end of the nearest silence.
 */
import type { Segment } from '../types.ts'
import { frameEnergies } from './pieces.ts'

const FRAME_SECONDS = 0.02
/** Frames of silence between two sentences at least: stops within words are shorter. */
const MIN_SILENCE = 6
/** Mean square below which sound is silence, however quiet the rest is. */
const MIN_ENERGY = 60
/** Quantiles that are taken for the level of the background and of speech, and the share of the way between them (in decibels) above which is voice. */
const LEVELS = { background: 0.1, speech: 0.9, voice: 0.4 }
/** A pause makes up for so many frames of distance for each of its own, up to 0.8 s. */
const PAUSE_WEIGHT = 2
const MAX_PAUSE_FRAMES = 40
/** Farthest that a beginning is moved, in seconds. */
const MAX_MOVE = 2.5

/** Frames of a sentence that is long; of a pause in it, and of the parts that it is split into, at least. */
const LONG_FRAMES = 250
const PAUSE_FRAMES = 14
const MIN_PART = 60
/** Characters by which a word after a comma counts as nearer to a pause. */
const COMMA_CHARACTERS = 12

/** A range of frames; the end is not part of it. */
interface Silence {
  readonly start: number
  readonly end: number
}

/** Text with the frames in which it is said. */
interface Placed extends Silence {
  readonly text: string
}

/**
 * Splits the text of a piece into sentences with the times at which they are said. The model leaves out the end of a sentence now and then, so that long
 * ones are split at their pauses as well.
 * @param samples 16,000 a second; all of the piece
 * @returns seconds from its beginning; empty where the text is
 */
export function timeSentences(text: string, samples: Int16Array): Segment[] {
  const voiced = findVoice(frameEnergies(samples))
  const silences = findSilences(voiced)
  return placeSentences(splitSentences(text), voiced, silences)
    .flatMap((placed) => splitAtPauses(placed, voiced, silences))
    .map(({ start, end, text }) => ({ start: start * FRAME_SECONDS, end: end * FRAME_SECONDS, text: text.trim() }))
}

function placeSentences(
  sentences: readonly string[],
  voiced: readonly boolean[],
  silences: readonly Silence[],
): Placed[] {
  const starts = findStarts(sentences, voiced, silences)
  const lastVoiced = voiced.lastIndexOf(true)
  const end = lastVoiced === -1 ? voiced.length : lastVoiced + 1
  return sentences.map((text, index) => {
    const start = starts[index] ?? 0
    const next = starts[index + 1]
    if (next === undefined) return { text, start, end: Math.max(end, start + 1) }
    const before = silences.find((silence) => silence.end === next)
    return { text, start, end: Math.max(start + 1, before?.start ?? next) }
  })
}

/** Splits a long sentence at its pauses, between the words that stand at that share of its voiced time. */
function splitAtPauses(placed: Placed, voiced: readonly boolean[], silences: readonly Silence[]): Placed[] {
  const { start, end, text } = placed
  if (end - start < LONG_FRAMES) return [placed]
  const voiceIn = (from: number, to: number) => voiced.slice(from, to).filter(Boolean).length
  const all = Math.max(1, voiceIn(start, end))
  const parts: Placed[] = []
  let open = { frame: start, at: 0 }
  for (const pause of silences) {
    const isInside = pause.start - open.frame >= MIN_PART && end - pause.end >= MIN_PART
    if (!isInside || pause.end - pause.start < PAUSE_FRAMES) continue
    const at = nearestBreak(text, Math.round((voiceIn(start, pause.start) / all) * text.length))
    if (at <= open.at || at >= text.length) continue
    parts.push({ text: text.slice(open.at, at), start: open.frame, end: pause.start })
    open = { frame: pause.end, at }
  }
  return [...parts, { text: text.slice(open.at), start: open.frame, end }]
}

/** Finds the beginning of the word nearest to a place; a comma before it makes it nearer. */
function nearestBreak(text: string, place: number): number {
  let best = { at: 0, cost: Number.POSITIVE_INFINITY }
  for (const { index } of text.matchAll(/\s\S/g)) {
    const at = index + 1
    const cost = Math.abs(at - place) - (/[,;:]/.test(text.charAt(index - 1)) ? COMMA_CHARACTERS : 0)
    if (cost < best.cost) best = { at, cost }
  }
  return best.at
}

const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' })

/** Splits into sentences; abbreviations of titles end none. */
function splitSentences(text: string): string[] {
  const sentences: string[] = []
  for (const { segment } of segmenter.segment(text)) {
    const last = sentences.at(-1)
    if (last !== undefined && /\b(?:Mr|Mrs|Ms|Dr|St|Prof|Sr|Jr|vs|No)\.\s*$/.test(last))
      sentences.splice(-1, 1, last + segment)
    else if (segment.trim() !== '') sentences.push(segment)
  }
  return sentences
}

/** Judges which frames are voice. */
function findVoice(energies: Float64Array): boolean[] {
  const sorted = Float64Array.from(energies).sort()
  const level = (share: number) => Math.log(Math.max(MIN_ENERGY, sorted[Math.floor(share * (sorted.length - 1))] ?? 0))
  const background = level(LEVELS.background)
  const threshold = Math.exp(background + LEVELS.voice * (level(LEVELS.speech) - background))
  return Array.from(energies, (energy) => energy > Math.max(threshold, MIN_ENERGY))
}

function findSilences(voiced: readonly boolean[]): Silence[] {
  const silences: Silence[] = []
  let start = 0
  for (let frame = 0; frame <= voiced.length; frame++) {
    if (frame < voiced.length && voiced[frame] === false) continue
    if (frame - start >= MIN_SILENCE) silences.push({ start, end: frame })
    start = frame + 1
  }
  return silences
}

/** Finds the frame at which each sentence begins, in order. */
function findStarts(sentences: readonly string[], voiced: readonly boolean[], silences: readonly Silence[]): number[] {
  const characters = sentences.reduce((sum, { length }) => sum + length, 0)
  const voicedFrames = voiced.flatMap((isVoice, frame) => (isVoice ? [frame] : []))
  const starts: number[] = []
  let before = 0
  for (const sentence of sentences) {
    const share = before / Math.max(1, characters)
    const expected = voicedFrames[Math.floor(share * voicedFrames.length)] ?? 0
    const after = starts.at(-1) ?? -1
    starts.push(starts.length === 0 ? (voicedFrames[0] ?? 0) : nearestStart(expected, after, silences))
    before += sentence.length
  }
  return starts
}

/** Moves an expected beginning to the end of the nearest silence that comes after the last beginning. */
function nearestStart(expected: number, after: number, silences: readonly Silence[]): number {
  const reach = MAX_MOVE / FRAME_SECONDS
  let best: { readonly end: number; readonly cost: number } | null = null
  for (const { start, end } of silences) {
    const move = Math.abs(end - expected)
    if (end <= after || start === 0 || move > reach) continue
    // A longer pause rather ends a sentence than a shorter one.
    const cost = move - PAUSE_WEIGHT * Math.min(end - start, MAX_PAUSE_FRAMES)
    if (best === null || cost < best.cost) best = { end, cost }
  }
  return best?.end ?? Math.max(expected, after + 1)
}
