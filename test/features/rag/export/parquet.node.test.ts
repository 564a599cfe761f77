/** Parquet files of exports, read back value for value by three other implementations. */
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { parquetReadObjects } from 'hyparquet'
import { Compression, readParquet, WriterPropertiesBuilder, writeParquet } from 'parquet-wasm'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ParquetEncoder } from '../../../../src/features/rag/export/parquet.ts'
import type { VectorRecord } from '../../../../src/features/rag/export/records.ts'
import { recordsOf } from './records.ts'

const DIMENSIONS = 96

/** Encodes records in pieces of so many, each by an encoder that knows no more than the state of the one before. */
function encode(records: readonly VectorRecord[], perPiece = records.length): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = []
  let encoder = new ParquetEncoder()
  parts.push(encoder.begin())
  for (let first = 0; first < records.length; first += perPiece) {
    const piece = records.slice(first, first + perPiece)
    for (let at = 0; at < piece.length; at += 50) parts.push(encoder.add(piece.slice(at, at + 50)))
    parts.push(encoder.flush())
    encoder = new ParquetEncoder(JSON.parse(JSON.stringify(encoder.state)))
  }
  parts.push(encoder.end())
  return new Uint8Array(Buffer.concat(parts))
}

/** What a reader should find of a record. */
function row({ id, vector, metadata }: VectorRecord): Record<string, unknown> {
  const { url = null, page = null, heading = null, start_seconds = null, end_seconds = null, ...rest } = metadata
  const values = vector.length === 0 ? null : Array.from(vector)
  return { id, ...rest, url, page, heading, start_seconds, end_seconds, values }
}

/** Reads a file by hyparquet, which has `undefined` for a list that is null. */
async function read({ buffer }: Uint8Array<ArrayBuffer>): Promise<Record<string, unknown>[]> {
  const rows = await parquetReadObjects({ file: buffer })
  return rows.map((one) => ({ ...one, values: one.values ?? null }))
}

const FILES: readonly [string, VectorRecord[], number][] = [
  ['in one row group', recordsOf(120, DIMENSIONS), 120],
  ['in pieces', recordsOf(1_000, DIMENSIONS), 170],
  ['without a vector', recordsOf(10, DIMENSIONS).slice(9), 1],
  ['of vectors of one number', recordsOf(30, 1), 30],
  ['in row groups that fill', recordsOf(3_000, 1_024), 3_000],
]

describe.each(FILES)('A file %s', (_, records, perPiece) => {
  const bytes = encode(records, perPiece)
  const expected = records.map(row)

  it('is read by hyparquet', async () => {
    expect(await read(bytes)).toEqual(expected)
  })

  it('is read by parquet-wasm', async () => {
    const table = readParquet(bytes)
    const properties = new WriterPropertiesBuilder().setCompression(Compression.UNCOMPRESSED).build()
    const again = new Uint8Array(writeParquet(table, properties))
    expect(await read(again)).toEqual(expected)
  })

  it('is read by DuckDB', async () => {
    const path = join(tmpdir(), `millrace-${crypto.randomUUID()}.parquet`)
    onTestFinished(() => rm(path))
    await writeFile(path, bytes)
    const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
    const connection = await instance.connect()
    const read = await connection.runAndReadAll(`SELECT * FROM read_parquet('${path}')`)
    expect(read.getRowObjectsJS()).toEqual(expected)
    connection.closeSync()
    instance.closeSync()
  })
})
