/**
 * Writes the mean vectors of passages and of questions by which the model `local` centres its vectors, of invented texts that no measurement
 * of retrieval asks: `node scripts/local-model-means.ts`.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { nodeTaskFiles } from '../src/drivers/task-files-node.ts'
import { normalisedMean } from '../src/features/rag/embed/centre.ts'
import { questionForms } from '../src/features/rag/embed/question-forms.ts'
import { loadUseLite, USE_LITE_DIMENSIONS } from '../src/features/rag/embed/use-lite.ts'
import { quantize } from '../src/features/rag/store/page-format.ts'

const Texts = z.array(z.object({ passage: z.string(), questions: z.array(z.string()) }))
const TARGET = join(import.meta.dirname, '..', 'src', 'features', 'rag', 'embed', 'local-model-means.ts')

const texts = Texts.parse(JSON.parse(await readFile(join(import.meta.dirname, 'local-model-means.json'), 'utf8')))
const model = await loadUseLite(nodeTaskFiles)

async function embed(of: readonly string[]): Promise<Float32Array[]> {
  const all = await model.embed(of, async () => {})
  return of.map((_, place) => all.slice(place * USE_LITE_DIMENSIONS, (place + 1) * USE_LITE_DIMENSIONS))
}

function mean(vectors: readonly Float32Array[]): Float32Array {
  return Float32Array.from(
    { length: USE_LITE_DIMENSIONS },
    (_, at) => vectors.reduce((sum, vector) => sum + (vector[at] ?? 0), 0) / vectors.length,
  )
}

function written(vector: Float32Array): string {
  const bytes = new Int8Array(vector.length)
  const scale = quantize(vector, bytes, 0)
  return `{ scale: ${scale}, bytes: '${Buffer.from(bytes.buffer).toString('base64')}' }`
}

const questions = texts.flatMap(({ questions }) => questions)
const asked: Float32Array[] = []
for (const question of questions) {
  asked.push(normalisedMean(await embed(questionForms(question) ?? [question]), USE_LITE_DIMENSIONS))
}
const passages = await embed(texts.map(({ passage }) => passage))

await writeFile(
  TARGET,
  `/** Mean vectors of ${passages.length} passages and of ${questions.length} questions, as scripts/local-model-means.ts writes them. */

export const PASSAGE_MEAN = decode(${written(mean(passages))})
export const QUESTION_MEAN = decode(${written(mean(asked))})

function decode({ scale, bytes }: { readonly scale: number; readonly bytes: string }): Float32Array {
  const signed = new Int8Array(Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0)).buffer)
  return Float32Array.from(signed, (value) => value * scale)
}
`,
)
process.exit()
