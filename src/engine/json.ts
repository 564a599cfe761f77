/** The engine's statements carry their rows as JSON arrays. */
export { jsonArrays, MAX_STATEMENT_BYTES } from '../formats/json-arrays.ts'
