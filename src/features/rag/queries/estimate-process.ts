/** Estimates what a request would cost, before anything of it is stored or fetched. */
import { sql } from 'drizzle-orm'
import * as z from 'zod'
import type { Database, VectorServices } from '../../../ports.ts'
import type { ChosenModel } from '../embed/chosen-model.ts'
import { priceOf } from '../embed/price.ts'
import type { NamedSource } from '../sources.ts'

/** Bytes of a token in plain text, as English has them. */
const BYTES_A_TOKEN = 4
/** Tokens of a document of which nothing is known: a few pages. */
const FIRST_GUESS = 2_000
/** Documents that the mean is taken of. */
const MEASURED = 200
/** Texts and tokens of a request to each service, at most. */
const REQUESTS: Readonly<Partial<Record<ChosenModel['id'], { texts: number; tokens: number }>>> = {
  openai: { texts: 128, tokens: 100_000 },
  'jina-v4': { texts: 256, tokens: 100_000 },
  'gemini-exp': { texts: 100, tokens: 204_800 },
  'workers-ai': { texts: 100, tokens: 60_000 },
}
const LATE_CHUNKING_TOKENS = 6_500

const Mean = z.object({ tokens: z.number().nullable() })

/** Estimated work of a request. */
export interface ProcessWork {
  readonly items: number
  readonly tokens: number
  /** Requests to the service of the model; 0 for the local one. */
  readonly calls: number
  /** Dollars; null where the operator named no price. */
  readonly cost: number | null
}

/** Estimates tokens by the size of texts; of other documents by the mean of those that the owner has. */
export async function estimateWork(
  db: Database,
  owner: string,
  named: readonly NamedSource[],
  { model, chunkSize }: { readonly model: ChosenModel; readonly chunkSize: number },
  services: VectorServices | null,
): Promise<ProcessWork> {
  const [row] = await db.all(sql`
    SELECT avg(tokens) AS tokens FROM (SELECT tokens FROM rag_documents WHERE owner = ${owner} LIMIT ${MEASURED})`)
  const mean = Mean.parse(row ?? { tokens: null }).tokens ?? FIRST_GUESS
  const sizes = named.map((source) => Math.max(1, Math.ceil(tokensOf(source, mean))))
  const tokens = sizes.reduce((sum, size) => sum + size, 0)
  const calls = sizes.reduce((sum, size) => sum + callsOf(model, size, chunkSize), 0)
  return { items: named.length, tokens, calls, cost: priceOf(model, tokens, services) }
}

function tokensOf(source: NamedSource, mean: number): number {
  if (source.kind === 'text') return new TextEncoder().encode(source.text).byteLength / BYTES_A_TOKEN
  return source.kind === 'upload' && source.file.contentType.startsWith('text/')
    ? source.file.size / BYTES_A_TOKEN
    : mean
}

function callsOf({ id, jina }: ChosenModel, tokens: number, chunkSize: number): number {
  const limits = REQUESTS[id]
  if (limits === undefined) return 0
  const most = jina?.lateChunking === true ? LATE_CHUNKING_TOKENS : limits.tokens
  return Math.max(Math.ceil(tokens / chunkSize / limits.texts), Math.ceil(tokens / most))
}
