/** Caches parsed documents, which answer for any swimmer, and the extraction of each swimmer. */
import { type SQL, sql } from 'drizzle-orm'
import { insertUploads, newUploadKey } from '../../engine/uploads.ts'
import type { Attempt, RunContext } from '../../operation.ts'
import type { BlobInfo, Database, Statement } from '../../ports.ts'
import { jobs } from '../../schema/jobs.ts'
import { PARSER_VERSION, Sheet } from './parser/sheet.ts'
import { Extraction } from './schemas.ts'
import { documents, results } from './tables.ts'

const CODE_LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** Makes a code for sharing a result: eight of a–z and 0–9, some 41 random bits. */
export function newResultCode(): string {
  let code = ''
  while (code.length < 8) {
    const [byte = 255] = crypto.getRandomValues(new Uint8Array(1))
    // Bytes beyond the last multiple of 36 are dropped, because they would bias the distribution.
    if (byte < 252) code += CODE_LETTERS[byte % CODE_LETTERS.length]
  }
  return code
}

/**
 * Selects one swimmer's part of a job's result.
 * @param code of that part
 * @returns `swimmerName` where the job looked for several, or for a team
 */
export function extractionOf(result: unknown, code: string): Extraction & { readonly swimmerName?: string } {
  const { swimmers, ...found } = Extraction.parse(result)
  const own = swimmers?.find(({ resultCode }) => resultCode === code)
  if (own === undefined) return found
  const { resultCode, ...extraction } = own
  return { ...extraction, covered: found.covered }
}

/** A parsed sheet in the blob store. */
export interface KeptSheet extends BlobInfo {
  readonly key: string
}

/** Cache of one document of one owner. Not shared between owners, because MD5 collisions can be forged. */
export class Cache {
  readonly #ctx: Pick<RunContext, 'db' | 'blobs'>
  readonly #owner: string
  readonly #md5: string

  constructor(ctx: Pick<RunContext, 'db' | 'blobs'>, owner: string, md5: string) {
    this.#ctx = ctx
    this.#owner = owner
    this.#md5 = md5
  }

  /** Finds the latest extraction of a swimmer, by normalised name. */
  async findResult(subject: string): Promise<Extraction | null> {
    const row = await this.#ctx.db
      .select({ result: jobs.result, code: results.code })
      .from(results)
      .innerJoin(jobs, sql`${jobs.id} = ${results.jobId}`)
      .where(
        sql`${results.owner} = ${this.#owner} AND ${results.md5} = ${this.#md5} AND ${results.swimmer} = ${subject} AND ${results.parser} = ${PARSER_VERSION}`,
      )
      .orderBy(sql`${results.createdAt} DESC`)
      .limit(1)
      .get()
    return row === undefined ? null : extractionOf(row.result, row.code)
  }

  /** Reads the parsed sheet, if this version of the parser read the document before. */
  async findSheet(): Promise<Sheet | null> {
    const row = await this.#ctx.db
      .select({ key: documents.blobKey })
      .from(documents)
      .where(sql`owner = ${this.#owner} AND md5 = ${this.#md5} AND parser = ${PARSER_VERSION}`)
      .get()
    const stream = row === undefined ? null : await this.#ctx.blobs.get(row.key)
    return stream === null ? null : Sheet.parse(await new Response(stream).json())
  }

  /** Stores a parsed sheet. The job's commit writes its rows; without them the file is swept as an upload without a row. */
  async keepSheet(sheet: Sheet): Promise<KeptSheet> {
    const key = newUploadKey('.sheet')
    return { key, ...(await this.#ctx.blobs.put(key, new TextEncoder().encode(JSON.stringify(sheet)))) }
  }

  /** Makes the statements of a finished job. */
  rows(finished: {
    held: SQL<boolean>
    job: Attempt
    /** A code for each swimmer, by the swimmer's key. */
    codes: readonly { subject: string; resultCode: string; meet: string }[]
    keptSheet: KeptSheet | null
    now: number
  }): Statement[] {
    const { held, job, codes, keptSheet, now } = finished
    const { db } = this.#ctx
    const rows: Statement[] = [
      db.run(sql`
        INSERT INTO results (code, owner, batch_id, job_id, md5, parser, swimmer, meet, created_at)
        SELECT value ->> 'resultCode', ${this.#owner}, ${job.batchId}, ${job.jobId}, ${this.#md5}, ${PARSER_VERSION}, value ->> 'subject', value ->> 'meet', ${now}
        FROM json_each(${JSON.stringify(codes)}) WHERE ${held}`),
    ]
    if (keptSheet !== null) rows.push(...this.#sheetRows(held, job, keptSheet, now))
    return rows
  }

  /** Records the sheet as an upload of its batch, so that it is deleted with the batch. */
  #sheetRows(held: SQL<boolean>, job: Attempt, sheet: KeptSheet, now: number): Statement[] {
    const { db } = this.#ctx
    const { key } = sheet
    const batch = { batchId: job.batchId, owner: this.#owner, now }
    return [
      ...insertUploads(db, batch, [{ ...sheet, filename: 'sheet.json' }], held),
      db.run(sql`
        INSERT INTO documents (owner, md5, parser, blob_key, batch_id, created_at)
        SELECT ${this.#owner}, ${this.#md5}, ${PARSER_VERSION}, ${key}, ${job.batchId}, ${now} WHERE ${held}
        ON CONFLICT (owner, md5, parser) DO UPDATE SET blob_key = excluded.blob_key, batch_id = excluded.batch_id`),
    ]
  }
}

/** Makes the statements that delete the codes and parsed documents of batches; `ids` is a JSON array. */
export function forgetResults(db: Database, ids: string): Statement[] {
  return [
    db.run(sql`DELETE FROM results WHERE batch_id IN (SELECT value FROM json_each(${ids}))`),
    db.run(sql`DELETE FROM documents WHERE batch_id IN (SELECT value FROM json_each(${ids}))`),
  ]
}
