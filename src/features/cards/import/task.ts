/** Schemas of an import's batch and jobs: its options, and the offsets of the cards in the stored body. */
import * as z from 'zod'

/** Input of a job: a slice of the cards, by its offset in the body. */
export const ImportSliceInput = z.object({
  first: z.int(),
  count: z.int(),
  offset: z.int(),
  length: z.int(),
  oversize: z.boolean(),
  /** First row of the slice in a CSV, from 1. */
  row: z.int().optional(),
  excess: z.literal('values').optional(),
})

/** Facts of a CSV or a sheet that its result contains. */
export const CsvFacts = z.object({
  /** Name by the WHATWG Encoding Standard; absent for a sheet. */
  encoding: z.string().optional(),
  /** True where the encoding was not declared but detected from the bytes. */
  detected: z.boolean().default(false),
  /** Absent for a sheet. */
  separator: z.string().optional(),
  emptyRows: z.int(),
  /** Warnings that are known before a card is read. */
  warnings: z.array(z.string()).default([]),
})
export type CsvFacts = z.infer<typeof CsvFacts>

/** Input of the batch. */
export const ImportTask = z.object({
  /** Key of the body in the blob store. */
  key: z.string(),
  form: z.enum(['json', 'lines', 'csv']),
  /** Names of the columns, for CSV. */
  header: z.array(z.string()),
  printedHeader: z.array(z.string()).default([]),
  separator: z.string().default(','),
  encoding: z.enum(['utf-8', 'windows-1252']).default('utf-8'),
  csv: CsvFacts.optional(),
  /**
   * Name of the sheet, for a workbook. Its rows are stored as CSV: each record is a row, whose first field is no column but the reason
   * why the row is refused; empty where it is not.
   */
  sheet: z.string().optional(),
  publishBusiness: z.boolean(),
  publishIdeas: z.boolean(),
  onDuplicate: z.enum(['skip', 'update', 'fail']).nullable(),
  validateOnly: z.boolean(),
})
export type ImportTask = z.infer<typeof ImportTask>

/** Request to the operation. */
export const ImportPlan = ImportTask.extend({ slices: z.array(ImportSliceInput).min(1), totalCards: z.int() })
