/** Encoders of exports: turn records into the bytes of a file, of which each run of a job may write a piece. */
import type { EXPORT_FORMATS, EXPORT_TARGETS } from '../export-schemas.ts'
import { RECORD_FORMATS, type RecordFormat } from './formats.ts'
import type { RecordEncoder } from './record-encoder.ts'
import type { VectorRecord } from './records.ts'

/** A kind of file. */
export interface FileKind {
  readonly format: (typeof EXPORT_FORMATS)[number]
  /** Of the format `vector` alone. */
  readonly target: (typeof EXPORT_TARGETS)[number]
}

/**
 * Makes the encoder of a file.
 * @param from `state` of the encoder of the piece before, and the number of records in all pieces before; null at the beginning
 */
export async function createEncoder(
  { format, target }: FileKind,
  from: { readonly state: unknown; readonly records: number } | null,
): Promise<RecordEncoder> {
  if (format === 'parquet') return new (await import('./parquet.ts')).ParquetEncoder(from?.state ?? null)
  const text =
    format === 'vector' ? (await import('./vector-targets.ts')).VECTOR_TARGETS[target] : RECORD_FORMATS[format]
  return new TextEncoderOf(text, from?.records ?? 0)
}

const NOTHING = new Uint8Array(0)

/** Encodes a format of text. */
class TextEncoderOf implements RecordEncoder {
  readonly state = null
  readonly #format: RecordFormat
  readonly #utf8 = new TextEncoder()
  #records: number

  constructor(format: RecordFormat, records: number) {
    this.#format = format
    this.#records = records
  }

  begin() {
    return this.#utf8.encode(this.#format.begin)
  }

  add(records: readonly VectorRecord[]) {
    const text = this.#format.records(records, this.#records === 0)
    this.#records += records.length
    return this.#utf8.encode(text)
  }

  flush() {
    return NOTHING
  }

  end() {
    return this.#utf8.encode(this.#format.end)
  }
}
