/** Files that vector databases import, by the name of the database. Chunks without a vector are left out: none of them takes such a record. */
import { uuidV5 } from '../../../formats/uuid-v5.ts'
import type { EXPORT_TARGETS } from '../export-schemas.ts'
import type { RecordFormat } from './formats.ts'
import type { VectorRecord } from './records.ts'

/** Name that ids of databases which take UUIDs alone are made under, from references of chunks. */
const REFERENCES = '6f2ba7c4-7a0e-5c1b-9f0d-3d6c1f2b8a55'

/** Makes the UUID of a chunk for databases that take no other ids: of version 5, so always the same. */
export const idOfReference = (reference: string): string => uuidV5(REFERENCES, reference)

const numbers = (vector: Float32Array): string => JSON.stringify(Array.from(vector))

/** Writes records line by line. */
const lines = (line: (record: VectorRecord) => string): RecordFormat => ({
  begin: '',
  records: (records) =>
    records
      .filter(hasVector)
      .map((record) => `${line(record)}\n`)
      .join(''),
  end: '',
})

const hasVector = ({ vector }: VectorRecord) => vector.length > 0

/** Class of Weaviate that objects are imported into. */
const WEAVIATE_CLASS = 'MillraceChunk'

export const VECTOR_TARGETS: Readonly<Record<(typeof EXPORT_TARGETS)[number], RecordFormat>> = {
  pinecone: lines(
    ({ id, vector, metadata }) =>
      `{"id":${JSON.stringify(id)},"values":${numbers(vector)},"metadata":${JSON.stringify(metadata)}}`,
  ),
  chroma: lines(({ id, vector, metadata: { text, ...metadata } }) => {
    const [document, rest] = [JSON.stringify(text), JSON.stringify(metadata)]
    return `{"id":${JSON.stringify(id)},"embedding":${numbers(vector)},"document":${document},"metadata":${rest}}`
  }),
  qdrant: lines(({ id, vector, metadata }) => {
    const payload = JSON.stringify({ reference: id, ...metadata })
    return `{"id":"${idOfReference(id)}","vector":${numbers(vector)},"payload":${payload}}`
  }),
  // A line is a body of POST /v1/batch/objects.
  weaviate: {
    begin: '',
    records(records) {
      const objects = records.filter(hasVector).map(({ id, vector, metadata }) => {
        const properties = JSON.stringify({ reference: id, ...metadata })
        return `{"class":"${WEAVIATE_CLASS}","id":"${idOfReference(id)}","properties":${properties},"vector":${numbers(vector)}}`
      })
      return objects.length === 0 ? '' : `{"objects":[${objects.join(',')}]}\n`
    },
    end: '',
  },
  // COPY chunks (id, document_id, chunk_index, content, metadata, embedding) FROM …, in its text format.
  pgvector: lines(({ id, vector, metadata: { text, ...metadata } }) =>
    [id, metadata.document_id, String(metadata.chunk_index), text, JSON.stringify(metadata), numbers(vector)]
      .map(copyField)
      .join('\t'),
  ),
}

const COPY_ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

/** Escapes a field of COPY's text format; NUL, which PostgreSQL cannot store, becomes U+FFFD. */
const copyField = (text: string): string =>
  text.replaceAll('\0', '\ufffd').replace(/[\\\t\n\r]/g, (character) => COPY_ESCAPES[character] ?? character)
