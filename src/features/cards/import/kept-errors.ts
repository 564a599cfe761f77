/** Selects the failures of a slice that its row stores: those that `errors` lists, and those that a rerun of the validation would not find. */
import { type ImportError, MAX_ERRORS } from '../schemas.ts'

export const DUPLICATE = 'A card with this title and body exists already'

/**
 * Sorts failures by index, keeps the first whole, and of the rest only duplicates, without titles: the reasons of the others are found by
 * validating the stored cards once more.
 */
export function keptErrors(errors: readonly ImportError[]): ImportError[] {
  const sorted = errors.toSorted((a, b) => a.index - b.index)
  const rest = sorted.slice(MAX_ERRORS).filter(({ error }) => error === DUPLICATE)
  return [...sorted.slice(0, MAX_ERRORS), ...rest.map((error) => ({ ...error, title: '' }))]
}

/** Writes failures and the rows of repeated headers, the first of these, as `card_slices.errors` holds them. */
export const errorsText = (errors: readonly ImportError[], headerRows: readonly number[]) =>
  JSON.stringify([...errors, ...headerRows.slice(0, MAX_ERRORS).map((header) => ({ header }))])
