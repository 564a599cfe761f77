/**
 * The operation `rag.process`: reads a document, splits it into chunks, embeds and stores it. A job is a document. The result of each step
 * is a checkpoint, so that an interrupted run repeats only that step, and a long document is embedded over several runs.
 */
import { sql } from 'drizzle-orm'
import * as z from 'zod'
import { MillraceError } from '../../../errors.ts'
import { filenameInLink } from '../../../formats/file-name.ts'
import { sha256 } from '../../../formats/sha256.ts'
import type { Attempt, ContinueAt, Operation, RunContext, RunResult } from '../../../operation.ts'
import { ChannelReport } from '../channels/schemas.ts'
import { DocumentSource, locateBytes, readBytes, readHead, StoredBytes } from '../document-source.ts'
import { assertHolds } from '../embed/check-collection.ts'
import { ChosenModel, spaceOf } from '../embed/chosen-model.ts'
import { textsToEmbed, withVectors } from '../embed/embedder.ts'
import { priceOf } from '../embed/price.ts'
import { PROCESS } from '../names.ts'
import { isRecording } from '../read/document-type.ts'
import { MAX_DOCUMENT_BYTES } from '../schemas.ts'
import { SpeechState } from '../speech/transcribe-pieces.ts'
import { findCollection, openCollection } from '../store/collections.ts'
import { deleteContent } from '../store/delete.ts'
import { findUnchanged, markListed } from '../store/documents.ts'
import { storeDocument } from '../store/store-document.ts'
import type { Chunk, Collection, Segment, StoredDocument } from '../types.ts'
import { type EmbeddedTexts, embedTexts, isContinued } from './embed-texts.ts'
import { hashSettings } from './hash-settings.ts'
import { modelDimensions } from './model-dimensions.ts'
import { type CutDocument, cutDocument, readAndCut } from './read-and-cut.ts'
import { readRecording, TRANSCRIBING } from './read-recording.ts'
import { keepContent, readContent } from './scratch.ts'

const Settings = z.object({ chunkSize: z.int(), chunkOverlap: z.int(), maxTokens: z.int() })
const BatchInput = z.object({
  collection: z.string(),
  model: ChosenModel,
  settings: Settings,
  /** Language of recordings, as the caller declared it. */
  language: z.string().optional(),
})
const Request = BatchInput.extend({ documents: z.array(DocumentSource), channel: ChannelReport.optional() })
type BatchInput = z.infer<typeof BatchInput>

/** Checkpoint of a document that was split, with its embedded part. */
const Cut = z.object({
  key: z.string(),
  contentHash: z.string(),
  size: z.int(),
  title: z.string(),
  language: z.string().nullable(),
  warnings: z.array(z.string()),
  /** Keys of the vectors of its texts, in order. */
  vectors: z.array(z.string()),
  /** Number of texts they cover. */
  embedded: z.int(),
  /** Percent done when it was split: transcribing takes longer than reading. */
  percent: z.number().default(20),
})
type Cut = z.infer<typeof Cut>

/** Chunks and transcript of a document that was split. */
interface Content {
  readonly chunks: readonly Chunk[]
  readonly segments: readonly Segment[]
}

const Checkpoint = z.object({ bytes: StoredBytes, cut: Cut.nullable(), speech: SpeechState.nullable().default(null) })
/** As written; what it may leave out is added when it is read. */
type NewCheckpoint = Omit<z.infer<typeof Checkpoint>, 'speech'> & { readonly speech?: SpeechState }

/** Result of a step: a split document with the key of its transcript's temporary file, or the end of this run. */
type CutResult =
  | { readonly cut: Cut; readonly content: Content; readonly keptKey: string | null }
  | { readonly outcome: RunResult | ContinueAt | 'continue' }

/** Longest time of embedding in one run, in milliseconds, well within its time limit; the rest is left to the next run. */
const RUN_MS = 120_000
const TIME_LIMIT_MS = 300_000
/** Longest `Retry-After` of a service that is honoured. */
const MAX_PAUSE_MS = 60 * 60 * 1_000
const DOCUMENTS_AT_ONCE = 3
/** Percent done when a document was located, read and split, and embedded. */
const PERCENT = { located: 5, cut: 20, embedded: 95 }

export const processDocuments: Operation = {
  name: PROCESS,
  concurrency: DOCUMENTS_AT_ONCE,
  maxAttempts: 3,
  timeLimitMs: TIME_LIMIT_MS,
  summaryDefaults: { documentId: null, title: null, chunks: 0, skipped: false },
  fromItems: null,

  /** Waits for the time that a service asks for, else for the default backoff. */
  backoff(_, error) {
    const asked = error.details?.retryAfterSeconds
    return typeof asked === 'number' ? Math.min(asked * 1_000, MAX_PAUSE_MS) : undefined
  },

  plan(request) {
    const { documents, channel, ...input } = Request.parse(request)
    return {
      input,
      facts: { collection: input.collection, ...(channel === undefined ? {} : { channel }) },
      jobs: documents.map((source) =>
        source.kind === 'stored'
          ? { input: source, label: source.filename }
          : { input: source, url: source.url, label: titleOf(source) ?? filenameInLink(source.url) },
      ),
    }
  },

  deleteContent: (db, batchId, condition) =>
    deleteContent(db, sql`SELECT id FROM rag_documents WHERE batch_id = ${batchId} AND ${condition}`),
  run: (job, ctx) => new DocumentRun(job, ctx).run(),
  batchTotals: (tallies) => ({ embeddings: tallies.embeddings ?? 0 }),
  merge: null,
}

/** One run of the job of a document. */
class DocumentRun {
  readonly #job: Attempt
  readonly #ctx: RunContext
  readonly #input: BatchInput
  readonly #source: DocumentSource
  readonly #beganAt: number
  #opened: Collection | null = null

  constructor(job: Attempt, ctx: RunContext) {
    this.#job = job
    this.#ctx = ctx
    this.#input = BatchInput.parse(job.batchInput)
    this.#source = DocumentSource.parse(job.input)
    this.#beganAt = ctx.clock.now()
  }

  async run(): Promise<RunResult | ContinueAt | 'continue'> {
    const ctx = this.#ctx
    const kept = await this.#readCheckpoint()
    if (kept === null) ctx.progress(0, 'Initializing', 'initializing')
    const bytes = kept?.bytes ?? (await this.#locate())
    let cut = kept?.cut ?? null
    let content: Content | null = cut === null ? null : await readContent(ctx.blobs, cut.key)
    if (cut === null || content === null) {
      const found = await this.#cut(bytes, kept?.speech ?? null)
      if ('outcome' in found) return found.outcome
      ;({ cut, content } = found)
      await ctx.checkpoint({ bytes, cut } satisfies NewCheckpoint)
      if (found.keptKey !== null) await ctx.blobs.delete([found.keptKey])
    }
    const embedded = await this.#embed(bytes, cut, content.chunks)
    return isContinued(embedded) ? embedded : this.#store(bytes, { ...cut, ...embedded.kept }, content, embedded)
  }

  /** Reads the checkpoint of an earlier run; null where its files are gone: a linked document has to be fetched anew and may have changed. */
  async #readCheckpoint(): Promise<z.infer<typeof Checkpoint> | null> {
    const kept = Checkpoint.safeParse(this.#job.checkpoint).data ?? null
    if (kept === null) return null
    const nothing = await this.#ctx.blobs.get(kept.bytes.key, { offset: 0, length: 0 })
    await nothing?.cancel()
    return nothing === null ? null : kept
  }

  async #locate(): Promise<StoredBytes> {
    this.#ctx.progress(1, 'Fetching the document', 'fetching_content')
    const bytes = await locateBytes(this.#ctx, this.#source, this.#job.owner, (message, share) =>
      this.#ctx.progress(1 + (PERCENT.located - 1) * share, message, 'fetching_content'),
    )
    if (this.#source.kind !== 'stored') await this.#ctx.checkpoint({ bytes, cut: null } satisfies NewCheckpoint)
    return bytes
  }

  /** Reads and splits the document, unless its collection has it unchanged. */
  async #cut(located: StoredBytes, speech: SpeechState | null): Promise<CutResult> {
    const ctx = this.#ctx
    if (speech === null) ctx.progress(PERCENT.located, 'Reading the document', 'fetching_content')
    const isSpoken = isRecording(await readHead(ctx.blobs, located))
    if (!isSpoken && located.length > MAX_DOCUMENT_BYTES) throw tooLarge()
    const bytes = isSpoken ? null : await readBytes(ctx.blobs, located)
    const contentHash = located.sha256 ?? (await sha256(bytes ?? (await readBytes(ctx.blobs, located))))
    const known = await this.#findUnchanged(contentHash)
    if (known !== null) return { outcome: await this.#skip(located, known) }
    if (bytes !== null) {
      const read = await readAndCut(this.#job, ctx, { bytes, ...located }, this.#input.settings)
      return this.#keepCut(asListed(read, located), { contentHash, size: located.length, percent: PERCENT.cut }, null)
    }
    const listened = await readRecording(ctx, this.#job.owner, {
      ...{ located, state: speech, language: this.#input.language ?? null },
      timeLimitMs: TIME_LIMIT_MS - (ctx.clock.now() - this.#beganAt),
      keep: (state) => ctx.checkpoint({ bytes: located, cut: null, speech: state } satisfies NewCheckpoint),
    })
    if (listened.kind === 'continue') return { outcome: listened.outcome }
    const read = await cutDocument(this.#job, ctx, listened.read, this.#input.settings)
    const facts = { contentHash, size: located.length, percent: TRANSCRIBING.to }
    return this.#keepCut(asListed(read, located), facts, listened.keptKey)
  }

  /** Stores what a document was split into. */
  async #keepCut(
    { title, language, warnings, chunks, segments }: CutDocument,
    facts: Pick<Cut, 'contentHash' | 'size' | 'percent'>,
    keptKey: string | null,
  ): Promise<CutResult> {
    this.#ctx.progress(facts.percent, `Cut into ${chunks.length} chunks`, 'embedding')
    const content = { chunks, segments }
    const key = await keepContent(this.#ctx.blobs, content)
    return { cut: { ...facts, key, title, language, warnings, vectors: [], embedded: 0 }, content, keptKey }
  }

  async #embed(
    bytes: StoredBytes,
    cut: Cut,
    chunks: readonly Chunk[],
  ): Promise<EmbeddedTexts | ContinueAt | 'continue'> {
    const ctx = this.#ctx
    const collection = await this.#collection()
    return embedTexts(this.#job, ctx, {
      model: { ...this.#input.model, dimensions: collection.dimensions },
      texts: textsToEmbed(this.#input.model, chunks),
      kept: cut,
      keep: (kept) => ctx.checkpoint({ bytes, cut: { ...cut, ...kept } } satisfies NewCheckpoint),
      progress: (share, message) =>
        ctx.progress(cut.percent + (PERCENT.embedded - cut.percent) * share, message, 'embedding'),
      isOverdue: () => ctx.clock.now() - this.#beganAt > RUN_MS || ctx.budgetExhausted(),
    })
  }

  async #store(
    bytes: StoredBytes,
    cut: Cut,
    { chunks, segments }: Content,
    { vectors }: EmbeddedTexts,
  ): Promise<RunResult> {
    const ctx = this.#ctx
    const { jobId, batchId } = this.#job
    ctx.progress(PERCENT.embedded, 'Storing', 'finalizing')
    const writes = await storeDocument(ctx, {
      // The job's id, so that a retried attempt writes the same document.
      id: jobId,
      collection: await this.#collection(),
      batchId,
      sourceKey: this.#source.sourceKey,
      contentHash: cut.contentHash,
      settingsHash: await this.#settingsHash(),
      title: cut.title,
      url: bytes.url,
      language: cut.language,
      size: cut.size,
      chunks: withVectors(this.#input.model, chunks, vectors),
      segments,
      ...listedAs(this.#source),
      createdAt: ctx.clock.now(),
    })
    await this.#deleteScratch(bytes, cut)
    const tokens = chunks.reduce((sum, chunk) => sum + chunk.tokens, 0)
    const cost = priceOf(this.#input.model, tokens, ctx.vectors)
    const summary = { documentId: jobId, title: cut.title, chunks: chunks.length, skipped: false }
    return {
      result: { ...summary, warnings: cut.warnings },
      summary,
      tallies: { embeddings: chunks.length, ...(cost === null || cost === 0 ? {} : { cost }) },
      writes,
    }
  }

  async #findUnchanged(contentHash: string): Promise<StoredDocument | null> {
    const settingsHash = await this.#settingsHash()
    const { sourceKey } = this.#source
    return findUnchanged(this.#ctx.db, await this.#collection(), sourceKey, { contentHash, settingsHash })
  }

  async #skip(bytes: StoredBytes, { id, title, chunks }: StoredDocument): Promise<RunResult> {
    await this.#deleteScratch(bytes, null)
    const summary = { documentId: id, title, chunks, skipped: true }
    const writes = markListed(this.#ctx.db, id, { ...listedAs(this.#source), title: bytes.title })
    return { result: { ...summary, warnings: [] }, summary, tallies: { skipped: 1 }, writes }
  }

  /** Opens the collection; its dimensions are those of the model where the request left them open. */
  async #collection(): Promise<Collection> {
    this.#opened ??= await this.#openCollection()
    return this.#opened
  }

  async #openCollection(): Promise<Collection> {
    const { collection: name, model } = this.#input
    const { owner } = this.#job
    const ctx = this.#ctx
    const known = await findCollection(ctx.db, owner, name)
    const dimensions = model.dimensions ?? known?.dimensions ?? (await modelDimensions(model, ctx, owner))
    const opened = await openCollection(ctx, owner, { name, model: model.name, dimensions, space: spaceOf(model) })
    assertHolds(opened, model)
    return opened
  }

  #settingsHash(): Promise<string> {
    return hashSettings(this.#input)
  }

  /** Deletes the temporary files of the job. Where the commit fails after that, the next run makes them anew. */
  async #deleteScratch(bytes: StoredBytes, cut: Cut | null): Promise<void> {
    const fetched = this.#source.kind === 'stored' ? [] : [bytes.key]
    await this.#ctx.blobs.delete([...fetched, ...(cut === null ? [] : [cut.key, ...cut.vectors])])
  }
}

const tooLarge = () =>
  new MillraceError('TOO_LARGE', `A document may have at most ${MAX_DOCUMENT_BYTES / 1024 / 1024} MB.`)

/** Takes the title and the language of an item of a channel, where they are known. */
const asListed = (read: CutDocument, { title, language }: StoredBytes): CutDocument => ({
  ...read,
  title: title ?? read.title,
  language: language ?? read.language,
})

/** Title of an item of a channel; null of everything else. */
const titleOf = (source: DocumentSource) => (source.kind === 'item' ? source.title : null)

/** The channel of a document, and what is listed of it there. */
const listedAs = (source: DocumentSource) =>
  source.kind === 'item' ? { channel: source.channel, version: source.version } : { channel: null, version: null }
