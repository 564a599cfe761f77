/** Version of this release, as its package, its OpenAPI document and its health answers state it; a test holds them together. */
export const VERSION = '0.1.0'
