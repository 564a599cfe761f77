/**
 * Universal Sentence Encoder lite (Cer et al. 2018, arXiv:1803.11175) on TensorFlow.js' WebAssembly backend: vectors of 512 numbers for
 * English text, without a key or a network. The JavaScript backend takes a hundred times as long.
 */

import { BackendWasm } from '@tensorflow/tfjs-backend-wasm'
import * as glue from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js'
import * as converter from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import * as z from 'zod'
import type { TaskFiles } from '../../../ports.ts'
import { UnigramTokenizer } from './unigram-tokenizer.ts'

export const USE_LITE_DIMENSIONS = 512
/** Most tokens of a text that are embedded: a run of 35 words has some 50, and the time grows with their square. */
export const USE_LITE_MAX_TOKENS = 256

/** Most texts of a batch of the model, and most tokens with padding. */
const MAX_BATCH_TEXTS = 16
const MAX_BATCH_TOKENS = 1_024

const FOLDER = 'use-lite'
const Topology = z.object({
  modelTopology: z.record(z.string(), z.unknown()),
  weightsManifest: z.tuple([z.object({ paths: z.array(z.string()), weights: z.array(z.unknown()) })]),
})
/** Vocabulary file. User-defined pieces, such as `:-)`, have no score: they are always kept whole. */
const VocabularyFile = z.array(z.tuple([z.string(), z.number().nullable()]))

/** A loaded model. */
export interface UseLite {
  /** Embeds texts as vectors of length 1, concatenated in the order of the texts. `between` is awaited between batches. */
  embed(texts: readonly string[], between: () => Promise<void>): Promise<Float32Array<ArrayBuffer>>
}

let tokenizer: Promise<UnigramTokenizer> | undefined
let model: Promise<UseLite> | undefined

/** Loads the tokenizer once a process or isolate; a failed load is retried by the next call. */
export function loadTokenizer(files: TaskFiles): Promise<UnigramTokenizer> {
  tokenizer ??= openTokenizer(files).catch((error: unknown) => {
    tokenizer = undefined
    throw error
  })
  return tokenizer
}

/** Loads the model once a process or isolate (28 MB, about a second); a failed load is retried by the next call. */
export function loadUseLite(files: TaskFiles): Promise<UseLite> {
  model ??= openModel(files).catch((error: unknown) => {
    model = undefined
    throw error
  })
  return model
}

async function openTokenizer(files: TaskFiles): Promise<UnigramTokenizer> {
  const pieces = VocabularyFile.parse(await readJson(files, 'vocab.json'))
  return new UnigramTokenizer(pieces.map(([piece, score]) => [piece, score ?? 0]))
}

async function readJson(files: TaskFiles, name: string): Promise<unknown> {
  return JSON.parse(new TextDecoder().decode(await files.read(`${FOLDER}/${name}`)))
}

async function openModel(files: TaskFiles): Promise<UseLite> {
  await openBackend(files)
  const { modelTopology, weightsManifest } = Topology.parse(await readJson(files, 'model.json'))
  const [{ paths, weights }] = weightsManifest
  const shards: Uint8Array[] = []
  for (const path of paths) shards.push(await files.read(`${FOLDER}/${path}`))
  const graph = converter.loadGraphModelSync(
    tf.io.fromMemorySync({
      modelTopology,
      weightSpecs: weights.filter(isWeightSpec),
      weightData: joined(shards),
    }),
  )
  const pieces = await loadTokenizer(files)
  return { embed: (texts, between) => embedAll(graph, pieces, texts, between) }
}

function isWeightSpec(value: unknown): value is tf.io.WeightsManifestEntry {
  return typeof value === 'object' && value !== null && 'name' in value && 'shape' in value && 'dtype' in value
}

function joined(shards: Uint8Array[]): ArrayBuffer {
  const bytes = new Uint8Array(shards.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let offset = 0
  for (const shard of shards) {
    bytes.set(shard, offset)
    offset += shard.byteLength
  }
  return bytes.buffer
}

type WasmModule = ConstructorParameters<typeof BackendWasm>[0]

/** Narrows the module's type: the declaration of the glue code omits members of Emscripten modules, and declares CommonJS as ESM. */
function isWasmModule(
  value: unknown,
): value is WasmModule & { cwrap: (name: string, result: string | null, types: readonly string[]) => never } {
  return typeof value === 'object' && value !== null && 'cwrap' in value && typeof value.cwrap === 'function'
}

/**
 * Starts the backend on a module that the runtime has compiled. Its default start fetches and compiles the module's bytes, which Workers
 * do not allow.
 */
async function openBackend(files: TaskFiles): Promise<void> {
  const compiled = await files.wasm('tfjs-backend-wasm-simd.wasm')
  const create: unknown = glue.default
  if (typeof create !== 'function') throw new Error('The WebAssembly backend has no factory.')
  const wasm: unknown = await create({
    instantiateWasm: (imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void) => {
      void WebAssembly.instantiate(compiled, imports).then(done)
      return {}
    },
  })
  if (!isWasmModule(wasm)) throw new Error('The WebAssembly backend did not start.')
  wasm.tfjs = {
    init: wasm.cwrap('init', null, []),
    initWithThreadsCount: wasm.cwrap('init_with_threads_count', null, ['number']),
    getThreadsCount: wasm.cwrap('get_threads_count', 'number', []),
    registerTensor: wasm.cwrap('register_tensor', null, ['number', 'number', 'number']),
    disposeData: wasm.cwrap('dispose_data', null, ['number']),
    dispose: wasm.cwrap('dispose', null, []),
  }
  tf.removeBackend('wasm')
  tf.registerBackend('wasm', () => new BackendWasm(wasm))
  if (!(await tf.setBackend('wasm'))) throw new Error('The WebAssembly backend could not be chosen.')
}

type Graph = Pick<converter.GraphModel, 'executeAsync'>

/** Embeds texts in batches of similar length, because each batch is padded to its longest text. */
async function embedAll(
  graph: Graph,
  pieces: UnigramTokenizer,
  texts: readonly string[],
  between: () => Promise<void>,
): Promise<Float32Array<ArrayBuffer>> {
  const inputs = texts.map((text, index) => ({ index, ids: pieces.encode(text).slice(0, USE_LITE_MAX_TOKENS) }))
  inputs.sort((a, b) => a.ids.length - b.ids.length)
  const vectors = new Float32Array(texts.length * USE_LITE_DIMENSIONS)
  for (let first = 0; first < inputs.length; ) {
    if (first > 0) await between()
    let after = first
    const fits = (count: number) =>
      count <= MAX_BATCH_TEXTS && count * (inputs[first + count - 1]?.ids.length ?? 0) <= MAX_BATCH_TOKENS
    do after++
    while (after < inputs.length && fits(after - first + 1))
    const batch = inputs.slice(first, after)
    const found = await embedBatch(
      graph,
      batch.map(({ ids }) => ids),
    )
    for (const [row, { index }] of batch.entries()) {
      const at = row * USE_LITE_DIMENSIONS
      vectors.set(found.subarray(at, at + USE_LITE_DIMENSIONS), index * USE_LITE_DIMENSIONS)
    }
    first = after
  }
  return vectors
}

async function embedBatch(graph: Graph, batch: readonly (readonly number[])[]): Promise<Float32Array> {
  // A text without tokens would have no row, so it is embedded as the unknown token.
  const tokens = batch.map((ids) => (ids.length === 0 ? [0] : ids))
  const indices = tf.tensor2d(
    tokens.flatMap((ids, row) => ids.map((_, column) => [row, column])),
    undefined,
    'int32',
  )
  const values = tf.tensor1d(tokens.flat(), 'int32')
  const output = await graph.executeAsync({ indices, values })
  try {
    if (Array.isArray(output)) throw new Error('The model has more than one output.')
    const found = await output.data()
    if (!(found instanceof Float32Array)) throw new Error('The model does not answer with numbers.')
    return found
  } finally {
    tf.dispose([indices, values, output])
  }
}
