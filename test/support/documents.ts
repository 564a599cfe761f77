/** Requests of document processing. */

/**
 * Makes the body of `POST /process` for documents that are sent with it, read by the built-in model into the built-in store.
 * @param more fields that are added, or stand in place of these
 */
export function processBody(job_id: string, uploaded_documents: readonly unknown[], more: object = {}) {
  return {
    job_id,
    platform: 'documents',
    input_method: 'upload',
    selected_content: [],
    uploaded_documents,
    embedding_model: { id: 'local' },
    vector_db: { id: 'builtin' },
    settings: {},
    ...more,
  }
}
