/** Formats of exports. */
import { encodeCell } from '../../../formats/csv.ts'
import type { VectorRecord } from './records.ts'

/** A format: the text before and after the records, and their own. */
export interface RecordFormat {
  readonly begin: string
  /** @param isFirst true where none came before them */
  records(records: readonly VectorRecord[], isFirst: boolean): string
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

const shown = ({ id, vector, metadata }: VectorRecord) => ({ id, values: Array.from(vector), metadata })

function csvRow({ id, vector, metadata }: VectorRecord): string {
  const cells = COLUMNS.map((column) => cell(metadata[column]))
  return `${[cell(id), ...cells, cell(JSON.stringify(Array.from(vector)))].join(',')}\r\n`
}

/** Formats by their name in requests. */
export const RECORD_FORMATS: Readonly<Record<'json' | 'csv', RecordFormat>> = {
  json: {
    begin: '[',
    records: (records, isFirst) =>
      records.map((record, at) => `${isFirst && at === 0 ? '' : ','}\n${JSON.stringify(shown(record))}`).join(''),
    end: '\n]\n',
  },
  csv: {
    begin: `id,${COLUMNS.join(',')},values\r\n`,
    records: (records) => records.map(csvRow).join(''),
    end: '',
  },
}
