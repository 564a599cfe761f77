/** Documents of a paragraph a chunk, and a model of words for tests: vectors of hashed word counts, so that shared words are nearness. */
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import { openCollection } from '../../../../src/features/rag/store/collections.ts'
import { storeDocument } from '../../../../src/features/rag/store/store-document.ts'
import type { Collection, EmbeddingModel, NewDocument } from '../../../../src/features/rag/types.ts'
import type { Compute, Database } from '../../../../src/ports.ts'

export const DIMENSIONS = 64

/** A vector of length 1 of a text. */
export function vectorOf(text: string): Float32Array {
  const vector = new Float32Array(DIMENSIONS)
  for (const word of text.toLowerCase().match(/\p{L}+/gu) ?? []) {
    let hash = 7
    for (const character of word) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0
    vector[hash % DIMENSIONS] = (vector[hash % DIMENSIONS] ?? 0) + 1
  }
  const length = Math.hypot(...vector)
  return length === 0 ? vector : vector.map((value) => value / length)
}

export const wordModel: EmbeddingModel = {
  id: 'words',
  dimensions: DIMENSIONS,
  maxTokens: 1_000,
  embed: async (texts) => texts.map(vectorOf),
  embedQuery: async (query) => vectorOf(query),
}

/** Compute that no test here needs. */
export const noCompute: Compute = {
  documentCpuMs: 1,
  run: () => Promise.reject(new Error('No task is meant to run.')),
  withSlot: (work) => work(),
}

/** Opens a collection of the test model. */
export const open = (db: Database, owner: string, name = 'default'): Promise<Collection> =>
  openCollection({ db }, owner, { name, model: 'words', dimensions: DIMENSIONS })

/** A document of these paragraphs: a chunk each, every sentence a run. */
export function documentOf(
  collection: Collection,
  paragraphs: readonly string[],
  more: Partial<NewDocument> = {},
): NewDocument {
  let start = 0
  const chunks = paragraphs.map((text, index) => {
    const runs = [...text.matchAll(/[^.]+\.?/g)].map(({ 0: run, index: at }) => ({
      start: at,
      end: at + run.length,
      page: index + 1,
    }))
    const chunk = {
      index,
      text,
      start,
      end: start + text.length,
      tokens: text.split(' ').length,
      page: index + 1,
      runs,
    }
    start += text.length
    return { ...chunk, vectors: runs.map((run) => vectorOf(text.slice(run.start, run.end))) }
  })
  const id = uuidv7()
  const settings = {
    sourceKey: id,
    contentHash: id,
    settingsHash: 's',
    title: 'A title',
    url: null,
    language: null,
    channel: null,
    version: null,
    size: start,
  }
  return { id, collection, batchId: uuidv7(), ...settings, chunks, segments: [], createdAt: 1, ...more }
}

/** Stores a document in one commit, as the one that completes its job does. */
export async function store(db: Database, document: NewDocument): Promise<void> {
  const writes = await storeDocument({ db, yield: async () => {} }, document)
  const [first, ...rest] = writes(sql<boolean>`1 = 1`)
  if (first !== undefined) await db.batch([first, ...rest])
}
