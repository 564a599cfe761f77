/** Caches what is known of a document: parsed once, it answers for any swimmer; asked once for a swimmer, the answer is kept. */
import { type SQL, sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import type { Attempt, BlobInfo, Database, RunContext, Statement } from '../../ports.ts'
import { jobs } from '../../schema/jobs.ts'
import { PARSER_VERSION, Sheet } from './parser/sheet.ts'
import { Extraction } from './schemas.ts'
import { documents, results } from './tables.ts'

const CODE_LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** A code to share a result by: eight of a–z and 0–9, some 41 random bits. */
export function newResultCode(): string {
  let code = ''
  while (code.length < 8) {
    const [byte = 255] = crypto.getRandomValues(new Uint8Array(1))
    // Bytes past the last whole multiple of 36 would make the first letters likelier.
    if (byte < 252) code += CODE_LETTERS[byte % CODE_LETTERS.length]
  }
  return code
}

/** A parsed sheet in the blob store. */
export interface KeptSheet extends BlobInfo {
  readonly key: string
}

/** Finds and stores what one owner's jobs learned of one document. Never shared between owners: an MD5 can be forged. */
export class Cache {
  readonly #ctx: Pick<RunContext, 'db' | 'blobs'>
  readonly #owner: string
  readonly #md5: string

  constructor(ctx: Pick<RunContext, 'db' | 'blobs'>, owner: string, md5: string) {
    this.#ctx = ctx
    this.#owner = owner
    this.#md5 = md5
  }

  /** The latest answer for a swimmer, by normalised name. */
  async findResult(subject: string): Promise<Extraction | null> {
    const row = await this.#ctx.db
      .select({ result: jobs.result })
      .from(results)
      .innerJoin(jobs, sql`${jobs.id} = ${results.jobId}`)
      .where(
        sql`${results.owner} = ${this.#owner} AND ${results.md5} = ${this.#md5} AND ${results.swimmer} = ${subject} AND ${results.parser} = ${PARSER_VERSION}`,
      )
      .orderBy(sql`${results.createdAt} DESC`)
      .limit(1)
      .get()
    return row === undefined ? null : Extraction.parse(row.result)
  }

  /** The parsed sheet, if this parser read the document before. */
  async findSheet(): Promise<Sheet | null> {
    const row = await this.#ctx.db
      .select({ key: documents.blobKey })
      .from(documents)
      .where(sql`owner = ${this.#owner} AND md5 = ${this.#md5} AND parser = ${PARSER_VERSION}`)
      .get()
    const stream = row === undefined ? null : await this.#ctx.blobs.get(row.key)
    return stream === null ? null : Sheet.parse(await new Response(stream).json())
  }

  /** Stores a parsed sheet. Its rows come with the job's commit; without them it is swept as an upload that nobody names. */
  async keepSheet(sheet: Sheet): Promise<KeptSheet> {
    const key = `uploads/${uuidv7()}.sheet`
    return { key, ...(await this.#ctx.blobs.put(key, new TextEncoder().encode(JSON.stringify(sheet)))) }
  }

  /** The rows that go with a finished job. */
  rows(finished: {
    held: SQL<boolean>
    job: Attempt
    subject: string
    resultCode: string
    keptSheet: KeptSheet | null
    now: number
  }): Statement[] {
    const { held, job, subject, resultCode, keptSheet, now } = finished
    const { db } = this.#ctx
    const rows: Statement[] = [
      db.run(sql`
        INSERT INTO results (code, owner, batch_id, job_id, md5, parser, swimmer, created_at)
        SELECT ${resultCode}, ${this.#owner}, ${job.batchId}, ${job.jobId}, ${this.#md5}, ${PARSER_VERSION}, ${subject}, ${now}
        WHERE ${held}`),
    ]
    if (keptSheet !== null) rows.push(...this.#sheetRows(held, job, keptSheet, now))
    return rows
  }

  /** The sheet is an upload of its batch, so that it goes when the batch does. */
  #sheetRows(held: SQL<boolean>, job: Attempt, { key, size, md5, sha256 }: KeptSheet, now: number): Statement[] {
    const { db } = this.#ctx
    return [
      db.run(sql`
        INSERT INTO uploads (key, owner, batch_id, filename, size, md5, sha256, created_at)
        SELECT ${key}, ${this.#owner}, ${job.batchId}, 'sheet.json', ${size}, ${md5}, ${sha256}, ${now} WHERE ${held}`),
      db.run(sql`
        INSERT INTO documents (owner, md5, parser, blob_key, batch_id, created_at)
        SELECT ${this.#owner}, ${this.#md5}, ${PARSER_VERSION}, ${key}, ${job.batchId}, ${now} WHERE ${held}
        ON CONFLICT (owner, md5, parser) DO UPDATE SET blob_key = excluded.blob_key, batch_id = excluded.batch_id`),
    ]
  }
}

/** Statements that delete what belongs to the batches whose ids are in a JSON array: codes, and what was read of their documents. */
export function forgetResults(db: Database, ids: string): Statement[] {
  return [
    db.run(sql`DELETE FROM results WHERE batch_id IN (SELECT value FROM json_each(${ids}))`),
    db.run(sql`DELETE FROM documents WHERE batch_id IN (SELECT value FROM json_each(${ids}))`),
  ]
}
