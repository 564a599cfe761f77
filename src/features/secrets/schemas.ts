/** Secrets, as they are put and listed. */
import * as z from 'zod'
import { MAX_SECRETS } from '../../engine/owner-secrets.ts'

/** Least and most characters of a value. A shorter one could not be taken out of what a receiver echoes without harm. */
const MIN_VALUE = 8
const MAX_VALUE = 8_192

/** Name of a secret, as `{{secrets.NAME}}` has it. */
export const SecretName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'Expected 1 to 64 letters, digits, "_" and "-".')

/** `PUT /api/secrets/:name`. */
export const PutSecret = z
  .strictObject({
    value: z
      .string(`Expected text of ${MIN_VALUE} to ${MAX_VALUE} characters.`)
      .min(MIN_VALUE, `Expected at least ${MIN_VALUE} characters.`)
      .max(MAX_VALUE, `Expected at most ${MAX_VALUE.toLocaleString('en')} characters.`)
      .refine((value) => value.isWellFormed() && !value.includes('\0'), 'Expected valid text without NUL.')
      .describe('Stored encrypted, and never returned.'),
  })
  .meta({ id: 'PutSecret' })

/** A secret without its value. */
export const Secret = z
  .object({ name: SecretName, createdAt: z.iso.datetime(), updatedAt: z.iso.datetime() })
  .meta({ id: 'Secret' })
export type Secret = z.infer<typeof Secret>

/** The answer to `PUT /api/secrets/:name`. */
export const SecretPut = z.object({ success: z.literal(true), secret: Secret }).meta({ id: 'SecretPut' })
export type SecretPut = z.infer<typeof SecretPut>

/** The answer to `GET /api/secrets`: all of the owner's, by name. */
export const SecretList = z
  .object({ success: z.literal(true), secrets: z.array(Secret).max(MAX_SECRETS) })
  .meta({ id: 'SecretList' })
export type SecretList = z.infer<typeof SecretList>

/** The answer to `DELETE /api/secrets/:name`. */
export const SecretDeleted = z.object({ success: z.literal(true), name: SecretName }).meta({ id: 'SecretDeleted' })
export type SecretDeleted = z.infer<typeof SecretDeleted>
