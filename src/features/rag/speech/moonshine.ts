/**
 * Moonshine tiny, a model that recognises English speech (https://arxiv.org/abs/2410.15608), quantized, on ONNX Runtime's WebAssembly.
 * Weights, runtime and vocabulary are those of the packages in `extras/speech`.
 */
import type { TaskFiles } from '../../../ports.ts'
import { SAMPLE_RATE } from './recognizer.ts'

/** The model, loaded. */
export interface SpeechModel {
  /** Recognises the words of up to 30 seconds. @returns the empty text where there is no speech */
  transcribe(samples: Float32Array<ArrayBuffer>): Promise<string>
}

interface Tensor {
  readonly data: unknown
}
interface Session {
  run(inputs: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, Tensor>>>
}

/** The part of onnxruntime-web that is used. */
interface OnnxRuntime {
  readonly env: { readonly wasm: { numThreads: number; wasmBinary: Uint8Array } }
  readonly InferenceSession: {
    create(model: Uint8Array, options: { readonly executionProviders: readonly string[] }): Promise<Session>
  }
  readonly Tensor: new (type: string, data: unknown, shape: readonly number[]) => Tensor
}

/** The part of llama-tokenizer-js that is used: Moonshine's vocabulary is that of Llama. */
interface Vocabulary {
  decode(tokens: readonly number[]): string
}

/** Tokens that begin and end a text. */
const BEGIN = 1
const END = 2
/** Sizes of the tiny model: its layers, and the heads and their width in its cache of keys and values. */
const LAYERS = 6
const HEADS = 8
const HEAD_WIDTH = 36
/** Bound of the tokens of a second, as its authors have it: fast speech has fewer. */
const MAX_TOKENS_A_SECOND = 6
/** Tokens that are compared to find a text that repeats itself without end, and the longest repeated part. */
const LOOP_TOKENS = 24
const MAX_PERIOD = 8

/** The processes of Compute that run the task load the model once. */
let loaded: Promise<SpeechModel> | undefined

/** Loads the model, or finds it loaded. @throws Error where the packages are not installed */
export function loadMoonshine(files: TaskFiles): Promise<SpeechModel> {
  loaded ??= load(files)
  return loaded
}

async function load(files: TaskFiles): Promise<SpeechModel> {
  const [runtime, vocabulary] = await Promise.all([
    files.module('onnxruntime/ort.node.min.mjs'),
    files.module('llama-tokenizer/llama-tokenizer.js'),
  ])
  if (!isOnnxRuntime(runtime)) throw new Error('onnxruntime-web has not the exports that are known.')
  if (!isVocabulary(vocabulary)) throw new Error('llama-tokenizer-js has not the exports that are known.')
  const { wasm } = runtime.env
  // Threads would need rights that these processes do not have.
  wasm.numThreads = 1
  wasm.wasmBinary = await files.read('onnxruntime/ort-wasm-simd-threaded.wasm')
  const open = async (name: string) =>
    runtime.InferenceSession.create(await files.read(`moonshine/${name}`), { executionProviders: ['wasm'] })
  const encoder = await open('encoder_model.onnx')
  const decoder = await open('decoder_model_merged.onnx')
  return new Moonshine(runtime, { encoder, decoder }, vocabulary.default)
}

class Moonshine implements SpeechModel {
  readonly #runtime: OnnxRuntime
  readonly #encoder: Session
  readonly #decoder: Session
  readonly #vocabulary: Vocabulary

  constructor(
    runtime: OnnxRuntime,
    { encoder, decoder }: { readonly encoder: Session; readonly decoder: Session },
    vocabulary: Vocabulary,
  ) {
    this.#runtime = runtime
    this.#encoder = encoder
    this.#decoder = decoder
    this.#vocabulary = vocabulary
  }

  async transcribe(samples: Float32Array<ArrayBuffer>): Promise<string> {
    const heard = await this.#encoder.run({ input_values: this.#tensor('float32', samples, [1, samples.length]) })
    const state = heard.last_hidden_state
    if (state === undefined) throw new Error('The encoder returned no hidden state.')
    const tokens = await this.#decode(state, Math.trunc((samples.length / SAMPLE_RATE) * MAX_TOKENS_A_SECOND))
    return this.#vocabulary.decode([BEGIN, ...tokens]).trim()
  }

  /** Writes the most likely text, a token at a time. */
  async #decode(heard: Tensor, maxTokens: number): Promise<readonly number[]> {
    const tokens: number[] = []
    let cache = this.#emptyCache()
    for (let last = BEGIN; tokens.length < maxTokens; ) {
      const isFirst = tokens.length === 0
      const found = await this.#decoder.run({
        input_ids: this.#tensor('int64', [BigInt(last)], [1, 1]),
        encoder_hidden_states: heard,
        use_cache_branch: this.#tensor('bool', [!isFirst], [1]),
        ...cache,
      })
      last = mostLikely(found.logits)
      if (last === END) break
      tokens.push(last)
      const period = findLoop(tokens)
      // Of what it repeats, one is kept.
      if (period > 0) return tokens.slice(0, tokens.length - LOOP_TOKENS + period)
      cache = nextCache(cache, found, isFirst)
    }
    return tokens
  }

  #emptyCache(): Readonly<Record<string, Tensor>> {
    const names = Array.from({ length: LAYERS }, (_, layer) =>
      ['decoder.key', 'decoder.value', 'encoder.key', 'encoder.value'].map(
        (part) => `past_key_values.${layer}.${part}`,
      ),
    ).flat()
    const empty = this.#tensor('float32', new Float32Array(0), [0, HEADS, 1, HEAD_WIDTH])
    return Object.fromEntries(names.map((name) => [name, empty]))
  }

  #tensor(type: string, data: unknown, shape: readonly number[]): Tensor {
    return new this.#runtime.Tensor(type, data, shape)
  }
}

/** Takes over keys and values; those of the encoder are computed with the first token alone. */
function nextCache(
  cache: Readonly<Record<string, Tensor>>,
  found: Readonly<Record<string, Tensor>>,
  isFirst: boolean,
): Readonly<Record<string, Tensor>> {
  return Object.fromEntries(
    Object.entries(cache).map(([name, kept]) => {
      const present = found[name.replace('past_key_values', 'present')]
      return [name, present !== undefined && (isFirst || name.includes('.decoder.')) ? present : kept]
    }),
  )
}

function mostLikely(logits: Tensor | undefined): number {
  const data = logits?.data
  if (!(data instanceof Float32Array)) throw new Error('The decoder returned no logits.')
  let best = 0
  for (let token = 1; token < data.length; token++) {
    if ((data[token] ?? 0) > (data[best] ?? 0)) best = token
  }
  return best
}

/** Finds the length of the part that the last tokens repeat; 0 where they repeat none. */
function findLoop(tokens: readonly number[]): number {
  if (tokens.length < LOOP_TOKENS) return 0
  const last = tokens.slice(-LOOP_TOKENS)
  for (let period = 1; period <= MAX_PERIOD; period++) {
    if (last.every((token, at) => at < period || token === last[at - period])) return period
  }
  return 0
}

const isObject = (value: unknown): value is object =>
  (typeof value === 'object' && value !== null) || typeof value === 'function'

const isOnnxRuntime = (value: unknown): value is OnnxRuntime =>
  isObject(value) && 'env' in value && 'InferenceSession' in value && 'Tensor' in value

const isVocabulary = (value: unknown): value is { readonly default: Vocabulary } =>
  isObject(value) &&
  'default' in value &&
  isObject(value.default) &&
  'decode' in value.default &&
  typeof value.default.decode === 'function'
