/** Chains: what a batch stores of the one that follows it, and that one of where its items come from. */

/**
 * The batch that follows another, as the first stores it (JSON text in `batches.next`): what its row is made of when the first ends, and how
 * far results of the first became items already. Absent fields are null in the row.
 */
export interface NextState {
  readonly operation: string
  readonly queue?: string
  readonly input: unknown
  readonly facts: Readonly<Record<string, unknown>>
  readonly concurrency?: number
  readonly priority: number
  readonly maxAttempts: number
  /** JSON text. */
  readonly metadata?: string
  readonly budget?: unknown
  readonly labels: readonly string[]
  /** Receiver of its events; made with the first of its items. */
  readonly webhook?: {
    readonly url: string
    readonly secret?: string | undefined
    readonly events?: readonly string[] | undefined
  }
  readonly inputBytes: number
  /** The batch that follows that one in turn. */
  readonly next?: NextState
  /** Completed jobs of the first whose results became items, or are about to. */
  readonly fed: number
  /** Number of the last event of the first when they did. */
  readonly fedSeq: number
  /** True while the results of an end are becoming items: until then the first is neither run again nor deleted. */
  readonly feeding: boolean
  /** Batches that followed, the first of them first: one for each end of the first that had new results. */
  readonly batchIds: readonly string[]
}

/** Source of the items of a batch that follows another. */
export interface ChainState {
  /** The batch before. */
  readonly from: string
  /** Results that were to become items. */
  readonly expected: number
  /** Results that became none, once all have been looked at. */
  readonly rejected: number
  /** The first of those, and why. `index` is the position in the batch before, from 0. */
  readonly errors: readonly ChainError[]
}

/** A result that is no item of the next operation; `index` is null where the reason is not one result's. */
export interface ChainError {
  readonly index: number | null
  readonly field: string | null
  readonly message: string
}

/** The operation whose jobs turn results into items. */
export const CHAIN_OPERATION = 'batch.chain'
/** Attempts at that. */
export const CHAIN_ATTEMPTS = 10
/** A batch that is being fed stays open until it is sealed by what feeds it: no sweep closes it. Deliveries to webhooks use the instant after. */
export const FED_UNTIL = 8.64e15 - 1
