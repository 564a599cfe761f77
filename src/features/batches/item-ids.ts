/** The callers' own ids of items (`custom_id` of other batch APIs): taken off the items before their operation sees them. */
import { invalidRequest } from '../../errors.ts'
import { FreeId } from '../../http/request/fields.ts'
import { safeParse } from '../../http/request/safe-parse.ts'
import type { JobPlan } from '../../operation.ts'

/** Items without their ids, and the ids beside them; null where none has one. */
export interface NamedItems {
  readonly items: readonly unknown[]
  readonly ids: readonly (string | undefined)[] | null
}

/**
 * Takes the ids off items.
 * @param positions of the ids seen so far in the same request, from 0; those of these items are added
 * @param first position of the first of these items
 * @throws MillraceError INVALID_REQUEST naming the item, and for an id that two items have both of them
 */
export function takeIds(items: readonly unknown[], positions: Map<string, number>, first = 0): NamedItems {
  if (!items.some(hasId)) return { items, ids: null }
  const ids: (string | undefined)[] = []
  const rest = items.map((item, index) => {
    if (!hasId(item)) {
      ids.push(undefined)
      return item
    }
    const { id, ...others } = item
    const field = `items.${first + index}.id`
    ids.push(checkId(id, field, positions))
    positions.set(String(id), first + index)
    return others
  })
  return { items: rest, ids }
}

function checkId(id: unknown, field: string, positions: ReadonlyMap<string, number>): string {
  const checked = safeParse(FreeId, id)
  if (!checked.success) throw invalidRequest(field, `${field}: ${checked.error.issues[0]?.message}.`)
  const other = positions.get(checked.data)
  if (other === undefined) return checked.data
  throw invalidRequest(field, `${field}: the same as items.${other}.id. The id of an item is unique in its batch.`)
}

const hasId = (item: unknown): item is { readonly id: unknown } =>
  typeof item === 'object' && item !== null && Object.hasOwn(item, 'id')

/** Gives the jobs of items their ids; each item is a job. */
export function withIds(jobs: readonly JobPlan[], ids: NamedItems['ids']): readonly JobPlan[] {
  if (ids === null) return jobs
  return jobs.map((job, index) => {
    const itemId = ids[index]
    return itemId === undefined ? job : { ...job, itemId }
  })
}

/** The item as it was sent. */
export function withId(itemId: string | null, item: unknown): unknown {
  return itemId === null || typeof item !== 'object' ? item : { id: itemId, ...item }
}
