/** Types of a stored body of cards: its key, and the offsets of its slices. */
import type { Upload } from '../../../engine/uploads.ts'
import type { Slice } from '../../../formats/slices.ts'
import type { CardsForm } from './read-cards.ts'
import type { ImportTask } from './task.ts'

/** Part of an import's task that says how to read its CSV. */
export type CsvIntake = Pick<ImportTask, 'header' | 'printedHeader' | 'separator' | 'encoding' | 'sheet'> & {
  readonly csv: NonNullable<ImportTask['csv']>
}

/** A stored body. */
export interface Intake {
  readonly upload: Upload
  readonly form: CardsForm
  /** Columns and dialect of a CSV. */
  readonly csv: CsvIntake | null
  readonly slices: readonly Slice[]
  readonly totalCards: number
  /** A JSON body without its cards: their array is empty. */
  readonly around: unknown
  /** Content hash: equal where the same cards are sent in the same form. */
  readonly identity: string
}
