/** Formats of exports. */
import { encodeCell } from '../../../formats/csv.ts'
import type { EXPORT_FORMATS } from '../schemas.ts'
import type { VectorRecord } from './records.ts'

/** A format: the text before and after the records, and the text of each. */
export interface RecordFormat {
  readonly begin: string
  record(record: VectorRecord, isFirst: boolean): string
  readonly end: string
}

/** Columns of the CSV; the vector is a JSON array in the last. */
const COLUMNS = [
  'item_id',
  'platform',
  'document_id',
  'title',
  'url',
  'chunk_index',
  'text',
  'token_count',
  'page',
  'heading',
  'start_seconds',
  'end_seconds',
  'model',
  'dimensions',
] as const

const cell = (value: string | number | null | undefined) => encodeCell(String(value ?? ''))

/** Formats by their name in requests. */
export const RECORD_FORMATS: Readonly<Record<(typeof EXPORT_FORMATS)[number], RecordFormat>> = {
  json: {
    begin: '[',
    record: (record, isFirst) => `${isFirst ? '' : ','}\n${JSON.stringify(record)}`,
    end: '\n]\n',
  },
  csv: {
    begin: `id,${COLUMNS.join(',')},values\r\n`,
    record({ id, values, metadata }) {
      const cells = COLUMNS.map((column) => cell(metadata[column]))
      return `${[cell(id), ...cells, cell(JSON.stringify(values))].join(',')}\r\n`
    },
    end: '',
  },
}
