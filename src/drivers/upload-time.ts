/** Time that an upload may take. */

/**
 * Milliseconds that a request may take to arrive, its body included: a large upload over a slow line takes its time. The listener cuts a
 * request off after that, and the blob store takes no half-written file for abandoned before.
 */
export const MAX_UPLOAD_MS = 60 * 60 * 1_000
