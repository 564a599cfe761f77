/** Reads tables and records: CSV, TSV, JSON, NDJSON. Each record becomes a row with the names of its fields. */
import Papa from 'papaparse'
import { MillraceError } from '../../../errors.ts'
import { LosslessNumber, parseLossless } from '../../../lossless-json.ts'
import type { BlockWriter } from './block-writer.ts'

/** Most levels of nested JSON that are read. */
const MAX_DEPTH = 32

/**
 * Reads CSV whose first record names its columns; the delimiter (comma, semicolon, tab or bar) is detected.
 * @returns warnings: records that an unclosed quote swallowed
 * @throws MillraceError TOO_LARGE
 */
export function readCsv(text: string, writer: BlockWriter): string[] {
  const { data, errors } = Papa.parse<string[]>(text.replace(/^sep=.\r?\n/i, ''), { skipEmptyLines: 'greedy' })
  const [columns, ...rows] = data
  if (columns && rows.length === 0) writer.row(columns)
  for (const row of rows) writer.row(row, columns)
  return errors
    .filter(({ type }) => type === 'Quotes')
    .slice(0, 3)
    .map(
      ({ row = 0 }) =>
        `Record ${row + 1} has a quote that is not closed as RFC 4180 wants it; its text was taken as it stands.`,
    )
}

/**
 * Reads JSON: each object of an array is a row, and so is each value that is no array.
 * @throws MillraceError UNREADABLE_DOCUMENT when it is no JSON, TOO_LARGE
 */
export function readJson(text: string, writer: BlockWriter): void {
  writeValue(parse(text), [], writer)
}

/**
 * Reads lines of JSON (NDJSON, JSON Lines).
 * @throws MillraceError UNREADABLE_DOCUMENT naming the line that is no JSON, TOO_LARGE
 */
export function readJsonLines(text: string, writer: BlockWriter): void {
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() !== '') writeValue(parse(line, index + 1), [], writer)
  }
}

function parse(text: string, line?: number): unknown {
  try {
    return parseLossless(text)
  } catch (cause) {
    const subject = line === undefined ? 'This file' : `Line ${line} of this file`
    throw new MillraceError(
      'UNREADABLE_DOCUMENT',
      `${subject} is not valid JSON. Save it again with the program it came from.`,
      { cause },
    )
  }
}

/** Writes arrays of records, at any level, as a row a record; the other fields of an object are one row. */
function writeValue(value: unknown, path: readonly string[], writer: BlockWriter): void {
  if (Array.isArray(value)) {
    for (const element of value) writeValue(element, path, writer)
    return
  }
  const names: string[] = []
  const cells: string[] = []
  const lists: [string, unknown[]][] = []
  for (const [name, cell] of fieldsOf(value, '', 0)) {
    if (Array.isArray(cell)) lists.push([name, cell])
    else {
      names.push(name)
      cells.push(String(cell))
    }
  }
  writer.row(cells, names)
  for (const [name, list] of lists) {
    writer.heading(path.length + 1, name)
    writeValue(list, [...path, name], writer)
  }
}

/** Lists the fields of a record by dotted path; arrays of plain values are one field, arrays of records are yielded as they are. */
function* fieldsOf(value: unknown, path: string, depth: number): Generator<[string, unknown]> {
  if (value === null || value === undefined || value === '') return
  if (Array.isArray(value)) {
    yield [path, value.some(isRecord) && depth < MAX_DEPTH ? value : value.map(plain).join(', ')]
    return
  }
  if (!isRecord(value) || depth >= MAX_DEPTH) {
    yield [path, plain(value)]
    return
  }
  for (const [name, field] of Object.entries(value)) {
    yield* fieldsOf(field, path === '' ? name : `${path}.${name}`, depth + 1)
  }
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !(value instanceof LosslessNumber)
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
