/** The interface of encoders of exports, apart from the module that chooses one. */
import type { VectorRecord } from './records.ts'

/** Encodes the records of a file in order. */
export interface RecordEncoder {
  /** Begins the file, before the first record. */
  begin(): Uint8Array<ArrayBuffer>
  /** Adds records; may return nothing yet. */
  add(records: readonly VectorRecord[]): Uint8Array<ArrayBuffer>
  /** Ends a piece: the next one begins with `state`. */
  flush(): Uint8Array<ArrayBuffer>
  /** Ends the file. */
  end(): Uint8Array<ArrayBuffer>
  /** JSON from which the next piece continues; null where there is none. */
  readonly state: unknown
}
