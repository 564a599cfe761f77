/** Refuses vectors that a collection cannot hold: those of another model, of other dimensions, or made for another task. */
import { invalidRequest, MillraceError } from '../../../errors.ts'
import type { Database } from '../../../ports.ts'
import { findCollection } from '../store/collections.ts'
import type { Collection } from '../types.ts'
import { type ChosenModel, spaceOf } from './chosen-model.ts'

/**
 * Checks a request against the collection that it names, which may not exist.
 * @throws MillraceError INVALID_REQUEST naming `collection`
 */
export async function checkCollection(db: Database, owner: string, name: string, chosen: ChosenModel): Promise<void> {
  const collection = await findCollection(db, owner, name)
  const fault = collection === null ? null : faultOf(collection, chosen)
  if (fault !== null) throw invalidRequest('collection', `collection: ${fault}`)
}

/** Checks a collection that a job writes to. @throws MillraceError CONFLICT */
export function assertHolds(collection: Collection, chosen: ChosenModel): void {
  const fault = faultOf(collection, chosen)
  if (fault !== null) throw new MillraceError('CONFLICT', fault)
}

function faultOf({ name, model, dimensions, space }: Collection, chosen: ChosenModel): string | null {
  const other = 'Name another collection'
  if (model !== chosen.name) return `"${name}" holds vectors of the model "${model}", not of "${chosen.name}". ${other}`
  if (chosen.dimensions !== null && chosen.dimensions !== dimensions) {
    return `"${name}" holds vectors of ${dimensions} dimensions, not of ${chosen.dimensions}. ${other}`
  }
  if (space !== spaceOf(chosen)) return `"${name}" holds vectors of other options of the model: ${space}. ${other}`
  return null
}
