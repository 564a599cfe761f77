/**
 * Writes records as Parquet, a row group at a time. hyparquet-writer encodes all columns but the vector; its general encoder of lists takes
 * minutes and hundreds of megabytes for 100,000 vectors (`npm run bench parquet`). The lists of this column are equally long, so that their
 * levels are two runs a row, and their values are copied as they are. Format: https://parquet.apache.org/docs/file-format/.
 */
import { ByteWriter } from 'hyparquet-writer/src/bytewriter.js'
import { writePageHeader } from 'hyparquet-writer/src/datapage.js'
import { ParquetWriter } from 'hyparquet-writer/src/parquet-writer.js'
import * as z from 'zod'
import type { RecordEncoder } from './record-encoder.ts'
import type { VectorRecord } from './records.ts'

/** Bytes of vectors and texts that are collected before they are written as a row group. */
const GROUP_BYTES = 4 * 1024 * 1024

type Schema = ParquetWriter['schema']
type Metadata = VectorRecord['metadata']

/** Columns beside the vector, in their order: the type of each, and what it holds. */
export const COLUMNS: readonly (readonly [
  name: string,
  type: 'STRING' | 'INT32' | 'DOUBLE',
  read: (record: Omit<VectorRecord, 'vector'>) => string | number | undefined,
])[] = [
  ['id', 'STRING', ({ id }) => id],
  ...(['item_id', 'platform', 'document_id', 'title', 'url'] as const).map(
    (name) => [name, 'STRING', ({ metadata }: { metadata: Metadata }) => metadata[name]] as const,
  ),
  ['chunk_index', 'INT32', ({ metadata }) => metadata.chunk_index],
  ['text', 'STRING', ({ metadata }) => metadata.text],
  ['token_count', 'INT32', ({ metadata }) => metadata.token_count],
  ['page', 'INT32', ({ metadata }) => metadata.page],
  ['heading', 'STRING', ({ metadata }) => metadata.heading],
  ['start_seconds', 'DOUBLE', ({ metadata }) => metadata.start_seconds],
  ['end_seconds', 'DOUBLE', ({ metadata }) => metadata.end_seconds],
  ['model', 'STRING', ({ metadata }) => metadata.model],
  ['dimensions', 'INT32', ({ metadata }) => metadata.dimensions],
]

const VECTOR_PATH = ['values', 'list', 'element']
/** Levels of a number of a vector. */
const LEVEL = { definition: 2, repetition: 1 }

/** Schema of the file: the columns, then the vector. */
export const SCHEMA: Schema = [
  { name: 'root', num_children: COLUMNS.length + 1 },
  ...COLUMNS.map(([name, type]) => ({
    name,
    repetition_type: 'OPTIONAL' as const,
    ...(type === 'STRING' ? ({ type: 'BYTE_ARRAY', converted_type: 'UTF8' } as const) : { type }),
  })),
  { name: 'values', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  { name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' },
]

/** Row groups that earlier runs wrote: their metadata with big integers as texts that end in `n`. */
const State = z.object({ offset: z.int(), rows: z.int(), groups: z.string() })

/** Encodes records as a Parquet file. */
export class ParquetEncoder implements RecordEncoder {
  readonly #writer = new ByteWriter(2 * GROUP_BYTES)
  readonly #file: ParquetWriter
  #records: Omit<VectorRecord, 'vector'>[] = []
  /** Vectors of the records, one after the other, and the length of each: copied as they come, so that those of a page are garbage at once. */
  readonly #values = new ByteWriter(GROUP_BYTES)
  #lengths: number[] = []
  #bytes = 0

  /** @param state as `state` was at the end of an earlier piece; null to begin a file */
  constructor(state: unknown = null) {
    this.#file = new ParquetWriter({
      writer: this.#writer,
      schema: SCHEMA,
      statistics: false,
      createdBy: 'millrace',
    })
    if (state === null) return
    const { offset, rows, groups } = State.parse(state)
    this.#writer.index = 0
    this.#writer.offset = offset
    this.#file.num_rows = BigInt(rows)
    this.#file.row_groups = JSON.parse(groups, reviveBigInt)
  }

  get state(): z.infer<typeof State> {
    return {
      offset: this.#writer.offset,
      rows: Number(this.#file.num_rows),
      groups: JSON.stringify(this.#file.row_groups, (_, value: unknown) =>
        typeof value === 'bigint' ? `${value}n` : value,
      ),
    }
  }

  begin(): Uint8Array<ArrayBuffer> {
    return this.#drain()
  }

  add(records: readonly VectorRecord[]): Uint8Array<ArrayBuffer> {
    for (const { id, vector, metadata } of records) {
      this.#records.push({ id, metadata })
      this.#lengths.push(vector.length)
      this.#values.appendBytes(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength))
      this.#bytes += vector.byteLength + metadata.text.length
      if (this.#bytes >= GROUP_BYTES) this.#writeGroup()
    }
    return this.#drain()
  }

  flush(): Uint8Array<ArrayBuffer> {
    this.#writeGroup()
    return this.#drain()
  }

  end(): Uint8Array<ArrayBuffer> {
    this.#writeGroup()
    void this.#file.finish()
    return this.#drain()
  }

  #drain(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#writer.buffer.slice(0, this.#writer.index))
    this.#writer.index = 0
    return bytes
  }

  #writeGroup(): void {
    const records = this.#records
    if (records.length === 0) return
    this.#records = []
    this.#bytes = 0
    // Both are done when they return, because a ByteWriter has nothing to wait for.
    void this.#file.write({
      columnData: COLUMNS.map(([name, , read]) => ({
        name,
        data: records.map((record) => read(record) ?? null),
        offsetIndex: false,
      })),
      rowGroupSize: records.length,
    })
    // Nothing but page indexes would come of it, and there are none.
    this.#file.pendingIndexes = []
    const group = this.#file.row_groups.at(-1)
    if (group === undefined) throw new Error('The row group was not written.')
    const { chunk, bytes } = writeVectors(this.#writer, this.#lengths, this.#values.getBytes())
    this.#lengths = []
    this.#values.index = 0
    group.columns.push(chunk)
    group.total_byte_size += BigInt(bytes)
    group.total_compressed_size = (group.total_compressed_size ?? 0n) + BigInt(bytes)
  }
}

const reviveBigInt = (_: string, value: unknown) =>
  typeof value === 'string' && /^\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value

/** Writes the page of the vector column; an empty vector is a null. */
function writeVectors(writer: ByteWriter, lengths: readonly number[], values: Uint8Array) {
  const begin = writer.offset
  const levels = new ByteWriter()
  const count = writeLevels(levels, lengths)
  const size = levels.offset + values.byteLength
  writePageHeader(writer, {
    type: 'DATA_PAGE',
    uncompressed_page_size: size,
    compressed_page_size: size,
    data_page_header: {
      num_values: count,
      encoding: 'PLAIN',
      definition_level_encoding: 'RLE',
      repetition_level_encoding: 'RLE',
    },
  })
  writer.appendBytes(levels.getBytes())
  writer.appendBytes(values)
  const bytes = writer.offset - begin
  const chunk: ParquetWriter['row_groups'][number]['columns'][number] = {
    file_offset: BigInt(begin),
    meta_data: {
      type: 'FLOAT',
      encodings: ['PLAIN', 'RLE'],
      path_in_schema: VECTOR_PATH,
      codec: 'UNCOMPRESSED',
      num_values: BigInt(count),
      total_compressed_size: BigInt(bytes),
      total_uncompressed_size: BigInt(bytes),
      data_page_offset: BigInt(begin),
    },
  }
  return { chunk, bytes }
}

/** Writes repetition and definition levels, each as runs behind their length in bytes. @returns the number of values, nulls among them */
function writeLevels(writer: ByteWriter, lengths: readonly number[]): number {
  const repetition = new ByteWriter()
  const definition = new ByteWriter()
  let count = 0
  let defined = 0
  const closeRun = () => {
    if (defined > 0) writeRun(definition, defined, LEVEL.definition)
    defined = 0
  }
  for (const length of lengths) {
    writeRun(repetition, 1, 0)
    if (length > 1) writeRun(repetition, length - 1, LEVEL.repetition)
    defined += length
    count += Math.max(1, length)
    if (length > 0) continue
    closeRun()
    writeRun(definition, 1, 0)
  }
  closeRun()
  for (const levels of [repetition, definition]) {
    writer.appendUint32(levels.offset)
    writer.appendBytes(levels.getBytes())
  }
  return count
}

/** Writes a run of the hybrid encoding: twice its length, and its value in a byte. */
function writeRun(writer: ByteWriter, length: number, value: number): void {
  writer.appendVarInt(length << 1)
  writer.appendUint8(value)
}
