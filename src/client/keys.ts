/** Random names for what may be sent twice. */

/** 128 random bits. Not `randomUUID`, which pages without TLS lack. */
export const randomKey = () => hex(crypto.getRandomValues(new Uint8Array(16)))

export const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
