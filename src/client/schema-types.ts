/** Types of what schemas of the wire take and give; the schemas themselves, and their library, stay on the server. */

/** Value that a schema takes. */
export type Sent<Schema extends { readonly _zod: { readonly input: unknown } }> = Schema['_zod']['input']
/** Value that a schema gives. */
export type Read<Schema extends { readonly _zod: { readonly output: unknown } }> = Schema['_zod']['output']
