/** Files for vector databases: what each line of them is. */
import { describe, expect, it } from 'vitest'
import { createEncoder } from '../../../../src/features/rag/export/encoder.ts'
import type { VectorRecord } from '../../../../src/features/rag/export/records.ts'
import type { EXPORT_TARGETS } from '../../../../src/features/rag/export-schemas.ts'
import { uuidV5 } from '../../../../src/formats/uuid-v5.ts'
import { recordsOf } from './records.ts'

const RECORDS = recordsOf(12, 4)
const WITH_VECTOR = RECORDS.filter(({ vector }) => vector.length > 0)

/** Writes the records to a target in two pieces. */
async function write(target: (typeof EXPORT_TARGETS)[number]): Promise<string[]> {
  const decoder = new TextDecoder()
  const first = await createEncoder({ format: 'vector', target }, null)
  let text = decoder.decode(first.begin()) + decoder.decode(first.add(RECORDS.slice(0, 5)))
  text += decoder.decode(first.flush())
  const second = await createEncoder({ format: 'vector', target }, { state: first.state, records: 5 })
  text += decoder.decode(second.add(RECORDS.slice(5))) + decoder.decode(second.end())
  expect(text.endsWith('\n')).toBe(true)
  return text.slice(0, -1).split('\n')
}

const parsed = async (target: Parameters<typeof write>[0]) => (await write(target)).map((line) => JSON.parse(line))

describe('A file for', () => {
  it('Pinecone has records with values and metadata', async () => {
    expect(await parsed('pinecone')).toEqual(
      WITH_VECTOR.map(({ id, vector, metadata }) => ({ id, values: Array.from(vector), metadata })),
    )
  })

  it('Chroma has embeddings with documents', async () => {
    expect(await parsed('chroma')).toEqual(
      WITH_VECTOR.map(({ id, vector, metadata: { text, ...metadata } }) => ({
        id,
        embedding: Array.from(vector),
        document: text,
        metadata,
      })),
    )
  })

  it('Qdrant has points whose ids are UUIDs', async () => {
    const points = await parsed('qdrant')
    expect(points).toEqual(
      WITH_VECTOR.map(({ id, vector, metadata }) => ({
        id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
        vector: Array.from(vector),
        payload: { reference: id, ...metadata },
      })),
    )
    expect(new Set(points.map(({ id }) => id)).size).toBe(points.length)
  })

  it('Weaviate has bodies of a batch of objects', async () => {
    const bodies = await parsed('weaviate')
    expect(bodies).toHaveLength(2)
    expect(bodies.flatMap(({ objects }) => objects)).toMatchObject(
      WITH_VECTOR.map(({ id, vector }) => ({
        class: 'MillraceChunk',
        properties: { reference: id },
        vector: Array.from(vector),
      })),
    )
  })

  it('pgvector has rows for COPY, with what it escapes', async () => {
    const unescaped = (field: string) =>
      field.replace(/\\(.)/g, (_, letter: string) => ({ t: '\t', n: '\n', r: '\r' })[letter] ?? letter)
    const rows = (await write('pgvector')).map((line) => line.split('\t').map(unescaped))
    expect(
      rows.map(([id, , index, text, metadata, vector]) => [id, index, text, JSON.parse(metadata ?? ''), vector]),
    ).toEqual(
      WITH_VECTOR.map(({ id, vector, metadata: { text, ...metadata } }: VectorRecord) => [
        id,
        String(metadata.chunk_index),
        text,
        metadata,
        JSON.stringify(Array.from(vector)),
      ]),
    )
  })
})

it('UUIDs of version 5 are those of RFC 9562', () => {
  expect(uuidV5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.com')).toBe('2ed6657d-e927-568b-95e1-2665a8aea6a2')
})
