/** Measures recognition: words that are wrong, and how far the starts of sentences are from the truth. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export const SAMPLE_RATE = 16_000

/** Recorded or made speech with its words. */
export interface Spoken {
  readonly name: string
  readonly samples: Int16Array<ArrayBuffer>
  readonly words: string
  /** Seconds at which its sentences begin, where that is known. */
  readonly starts: readonly number[]
}

const SPHINX = '/usr/share/pocketsphinx/test/data'

/** Words of the clips whose folder has no transcript. */
const RAW_CLIPS = { goforward: 'go forward ten meters', something: 'go somewhere and do something' }

/** Clips of people in Debian's package `pocketsphinx-testdata`; null where it is not installed. */
export async function readHumanClips(): Promise<readonly Spoken[] | null> {
  if (!existsSync(SPHINX)) return null
  const clips: Spoken[] = []
  for (const [folder, list] of [
    ['librivox', 'transcription'],
    ['cards', 'cards.transcription'],
  ] as const) {
    for (const line of (await readFile(join(SPHINX, folder, list), 'utf8')).trim().split('\n')) {
      const [, words = '', name = ''] = /^<s> (.*?)\s*<\/s> \((.+)\)$/.exec(line.trim()) ?? []
      const samples = samplesOf((await readFile(join(SPHINX, folder, `${name}.wav`))).subarray(44))
      clips.push({ name, samples, words, starts: [] })
    }
  }
  for (const [name, words] of Object.entries(RAW_CLIPS)) {
    clips.push({ name, samples: samplesOf(await readFile(join(SPHINX, `${name}.raw`))), words, starts: [] })
  }
  return clips
}

/** Seconds of silence between made sentences, in turn. */
const PAUSES = [0.35, 0.6, 0.45, 0.8]

/** Has Debian's `flite` say sentences, one after another with pauses between them. */
export async function sayByFlite(flite: string, voice: string, sentences: readonly string[]): Promise<Spoken> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-flite-'))
  try {
    const parts: Int16Array[] = []
    const starts: number[] = []
    let length = 0
    const add = (part: Int16Array) => {
      parts.push(part)
      length += part.length
    }
    for (const [index, sentence] of sentences.entries()) {
      const path = join(folder, 'sentence.wav')
      await run(flite, ['-voice', voice, '-t', sentence, '-o', path])
      const said = trim(samplesOf((await readFile(path)).subarray(44)))
      add(new Int16Array(Math.round((PAUSES[index % PAUSES.length] ?? 0.5) * SAMPLE_RATE)))
      starts.push(length / SAMPLE_RATE)
      add(said)
    }
    const samples = new Int16Array(length)
    let at = 0
    for (const part of parts) {
      samples.set(part, at)
      at += part.length
    }
    return { name: `flite ${voice}`, samples, words: sentences.join(' '), starts }
  } finally {
    await rm(folder, { recursive: true })
  }
}

function samplesOf(bytes: Uint8Array): Int16Array<ArrayBuffer> {
  const copy = bytes.slice(0, bytes.length - (bytes.length % 2))
  return new Int16Array(copy.buffer, copy.byteOffset, copy.length / 2)
}

/** Takes off what is silent before the first sound and after the last. */
function trim(samples: Int16Array): Int16Array {
  const isSound = (value: number) => Math.abs(value) > 300
  return samples.subarray(samples.findIndex(isSound), samples.findLastIndex(isSound) + 1)
}

/** Spellings that say the same. */
const SAME: Readonly<Record<string, string>> = { mr: 'mister', mrs: 'missus', dr: 'doctor' }
const ONES = 'zero one two three four five six seven eight nine ten eleven twelve'.split(' ')

const wordsOf = (text: string) =>
  (
    text
      .toLowerCase()
      .replaceAll('’', "'")
      .match(/[a-z0-9']+/g) ?? []
  ).map((word) => SAME[word] ?? (/^\d+$/.test(word) ? (ONES[Number(word)] ?? word) : word))

/** Counts words of a text that were left out, put in or replaced, and all of its words. */
export function countWordErrors(expected: string, heard: string): { readonly errors: number; readonly words: number } {
  const [a, b] = [wordsOf(expected), wordsOf(heard)]
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (const [index, word] of a.entries()) {
    const next = [index + 1]
    for (const [column, other] of b.entries()) {
      const replaced = (row[column] ?? 0) + (word === other ? 0 : 1)
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1))
    }
    row = next
  }
  return { errors: row.at(-1) ?? 0, words: a.length }
}

/** Distances of true starts from the nearest start that was found, in seconds, in order of size. */
export function startErrors(starts: readonly number[], found: readonly { readonly start: number }[]): number[] {
  return starts.map((start) => Math.min(...found.map((one) => Math.abs(one.start - start)))).sort((a, b) => a - b)
}
