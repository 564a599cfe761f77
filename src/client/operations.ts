/** Types that flow from a custom operation to the code that submits items. They name only types of it, so that none of its code is bundled. */
import type { BatchAccepted, ItemResult } from '../features/batches/schemas.ts'
import type { EventWith } from './items.ts'

/** Part of a schema that carries its input and output types. */
interface Schema {
  readonly _zod: { readonly input: unknown; readonly output: unknown }
}

/** An operation as far as its types matter: what `defineOperation` makes. */
export interface TypedOperation {
  readonly name: string
  readonly schemas: { readonly item: Schema; readonly result: Schema; readonly input: Schema }
}

/** An item of an operation, as it is sent. */
export type ItemOf<Op extends TypedOperation> = Op['schemas']['item']['_zod']['input']
/** Result of a job of an operation. */
export type ResultOf<Op extends TypedOperation> = Op['schemas']['result']['_zod']['output']
/** Input of a whole batch of an operation, as it is sent. */
export type InputOf<Op extends TypedOperation> = Op['schemas']['input']['_zod']['input']

/** An event of a batch of an operation. `job_completed` carries results of up to 2 KB of JSON. */
export type EventOf<Op extends TypedOperation> = EventWith<
  { readonly result?: ResultOf<Op> },
  { readonly tallies?: Readonly<Record<string, number>> }
>

/** Outcome of an item of an operation. */
export type ItemResultOf<Op extends TypedOperation> = Omit<ItemResult, 'item' | 'result'> & {
  readonly item: ItemOf<Op>
  readonly result?: ResultOf<Op>
}

/** Carries the type of a batch's operation, which determines the types of its results; does not exist at run time. */
export interface OfOperation<Op extends TypedOperation> {
  readonly '~operation'?: Op
}

/** The answer to a create, which knows its operation. */
export type AcceptedOf<Op extends TypedOperation> = BatchAccepted & OfOperation<Op>
