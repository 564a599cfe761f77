/**
 * Measures the recognition of speech on this machine: words that are wrong, starts of sentences, CPU time, and what a long recording costs the
 * server's memory. Needs `extras/speech` and Debian's ffmpeg, flite and pocketsphinx-testdata; what is missing is left out with a line that says so.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createProcessCompute } from '../src/drivers/compute-processes.ts'
import { COMPUTE_CODE, COMPUTE_TASKS, isSpeechInstalled } from '../src/drivers/files-node.ts'
import { createLocalRecognizer } from '../src/features/rag/speech/local.ts'
import { PieceReader } from '../src/features/rag/speech/pieces.ts'
import type { Compute } from '../src/ports.ts'
import {
  countWordErrors,
  readHumanClips,
  SAMPLE_RATE,
  type Spoken,
  sayByFlite,
  startErrors,
} from '../test/features/rag/speech/measure.ts'
import { median, quantile, shown } from './parts/report.ts'
import { measureServerMemory } from './parts/speech-memory.ts'

const PASSAGES_FILE = join(import.meta.dirname, '..', 'test', 'features', 'rag', 'retrieval', 'passages.json')
const FLITE = '/usr/bin/flite'
const VOICES = { rms: '≤ 14 %', slt: '', awb: '' }
const PASSAGES = 14
/** Minutes of the recording by which the server's memory is measured. */
const MINUTES = Number(process.env.SPEECH_MINUTES ?? 60)

interface Figures {
  readonly errors: number
  readonly words: number
  readonly starts: readonly number[]
  readonly seconds: number
  readonly cpuSeconds: number
}

/** Runs the benchmark. @returns its section of the report */
export async function run(): Promise<string> {
  if (!isSpeechInstalled()) return '## Speech on this machine\n\nNot measured: extras/speech is not installed.'
  const limits = { processes: 1, memoryMb: 1_024, keptMb: 800, cpuSeconds: 60 }
  const compute = createProcessCompute({ tasks: COMPUTE_TASKS, code: COMPUTE_CODE, ...limits })
  try {
    // The first piece loads the model.
    await recognize(compute, { name: 'nothing', samples: new Int16Array(SAMPLE_RATE), words: '', starts: [] })
    const rows = [...(await measurePeople(compute)), ...(await measureVoices(compute))]
    return `## Speech on this machine

The model of \`extras/speech\` on one core: words that were replaced, left out or put in; distances of the true starts of sentences from those that were found, median and the 95th in 100;
seconds of speech in a second of CPU time. flite reads ${PASSAGES} invented passages.

| speech | words | wrong | at most | starts, s (at most 0.2 and 0.5) | × real time (at least 6) |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

${await measureServerMemory(MINUTES)}`
  } finally {
    await compute.close()
  }
}

async function measurePeople(compute: Compute): Promise<readonly string[]> {
  const clips = await readHumanClips()
  if (clips === null) return ['| people | pocketsphinx-testdata is not installed | | | | |']
  const figures: Figures[] = []
  for (const clip of clips) figures.push(await recognize(compute, clip))
  return [row('people (pocketsphinx-testdata)', joined(figures), '≤ 8 %')]
}

async function measureVoices(compute: Compute): Promise<readonly string[]> {
  if (!existsSync(FLITE)) return ['| flite | is not installed | | | | |']
  const sentences = await readSentences()
  const all: Figures[] = []
  const rows: string[] = []
  for (const [voice, bound] of Object.entries(VOICES)) {
    const figures = await recognize(compute, await sayByFlite(FLITE, voice, sentences))
    all.push(figures)
    rows.push(row(`flite, ${voice}`, figures, bound))
  }
  const mean = all.reduce((sum, { errors, words }) => sum + errors / words, 0) / all.length
  return [...rows, `| mean of the voices | | ${percent(mean)} | ≤ 17 % | | |`]
}

async function readSentences(): Promise<readonly string[]> {
  const { english }: { english: readonly { passage: string }[] } = JSON.parse(await readFile(PASSAGES_FILE, 'utf8'))
  const text = english.slice(0, PASSAGES).map(({ passage }) => passage)
  const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' })
  return Array.from(segmenter.segment(text.join(' ')), ({ segment }) => segment.trim())
}

/** Recognises speech in pieces, as a job does. */
async function recognize(compute: Compute, { samples, words, starts }: Spoken): Promise<Figures> {
  let cpuMs = 0
  const onCpuTime = (ms: number) => {
    cpuMs += ms
  }
  const measured: Compute = {
    ...compute,
    run: (task, input, options) => compute.run(task, input, { ...options, onCpuTime }),
  }
  const recognizer = createLocalRecognizer(measured, 'bench')
  const reader = new PieceReader(chunksOf(samples), recognizer.piece)
  const segments: { start: number; text: string }[] = []
  let at = 0
  const { signal } = new AbortController()
  for (let piece = await reader.next(); piece !== null; piece = await reader.next()) {
    const found = await recognizer.recognize(piece, { signal })
    segments.push(...found.segments.map(({ start, text }) => ({ start: at + start, text })))
    at += piece.length / SAMPLE_RATE
  }
  const heard = segments.map(({ text }) => text).join(' ')
  return {
    ...countWordErrors(words, heard),
    starts: startErrors(starts, segments),
    seconds: at,
    cpuSeconds: cpuMs / 1_000,
  }
}

async function* chunksOf(samples: Int16Array<ArrayBuffer>): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength)
}

const sum = (all: readonly Figures[], of: (one: Figures) => number) => all.reduce((total, one) => total + of(one), 0)

const joined = (all: readonly Figures[]): Figures => ({
  errors: sum(all, ({ errors }) => errors),
  words: sum(all, ({ words }) => words),
  starts: all.flatMap(({ starts }) => starts),
  seconds: sum(all, ({ seconds }) => seconds),
  cpuSeconds: sum(all, ({ cpuSeconds }) => cpuSeconds),
})

const percent = (share: number) => `${(100 * share).toFixed(1)} %`

function row(name: string, { errors, words, starts, seconds, cpuSeconds }: Figures, bound: string): string {
  const found = starts.length === 0 ? '' : `${median(starts).toFixed(2)}, ${quantile(starts, 0.95).toFixed(2)}`
  return `| ${name} | ${words} | ${percent(errors / words)} | ${bound} | ${found} | ${shown(seconds / cpuSeconds)} |`
}
