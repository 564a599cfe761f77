/** Putting, listing and deleting secrets. No route gives a value. */
import type { Hono } from 'hono'
import * as z from 'zod'
import { OwnerSecrets, type SecretFacts } from '../../engine/owner-secrets.ts'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { limitBody } from '../../http/middleware/request-limits.ts'
import { type Endpoint, json, jsonBody } from '../../http/openapi/endpoint.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { Routes } from '../../http/routes.ts'
import { PutSecret, type Secret, SecretDeleted, SecretList, SecretName, SecretPut } from './schemas.ts'

const NAME = z.strictObject({ name: SecretName.describe('Name of the secret, as `{{secrets.NAME}}` has it.') })
const limitSecretBody = limitBody(65_536, 'A body of this kind may hold 64 KB.')

const put = {
  route: 'PUT /api/secrets/:name',
  id: 'putSecret',
  summary: 'Keep a secret, in place of one of the same name',
  path: NAME,
  body: jsonBody(PutSecret, { token: { value: 'the-token-of-the-service' } }),
  answers: { 200: json('In place of an earlier one.', SecretPut), 201: json('Kept.', SecretPut) },
  errors: [400, 413, 415],
} satisfies Endpoint

const list = {
  route: 'GET /api/secrets',
  id: 'listSecrets',
  summary: 'Names of secrets, with their dates',
  answers: { 200: json('All of them, by name.', SecretList) },
} satisfies Endpoint

const remove = {
  route: 'DELETE /api/secrets/:name',
  id: 'deleteSecret',
  summary: 'Delete a secret',
  description: 'Jobs that name it fail from then on, a few seconds later at most.',
  path: NAME,
  answers: { 200: json('Deleted.', SecretDeleted) },
  errors: [404],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [put, list, remove]

export function secretRoutes({ db, clock, auth }: AppDeps): Hono<Env> {
  const secrets = new OwnerSecrets(db, auth.signingKey)
  return new Routes('/api/secrets', CODED_ERRORS)
    .add(
      put,
      async (c) => {
        const { value } = c.req.valid('json')
        const { created, ...facts } = await secrets.put(c.get('caller').owner, c.req.valid('param').name, value, clock)
        return c.json({ success: true, secret: present(facts) } satisfies SecretPut, created ? 201 : 200)
      },
      [limitSecretBody],
    )
    .add(list, async (c) => {
      const all = await secrets.list(c.get('caller').owner)
      return c.json({ success: true, secrets: all.map(present) } satisfies SecretList)
    })
    .add(remove, async (c) => {
      const { name } = c.req.valid('param')
      if (await secrets.remove(c.get('caller').owner, name)) {
        return c.json({ success: true, name } satisfies SecretDeleted)
      }
      throw new MillraceError('NOT_FOUND', 'There is no secret with this name. GET /api/secrets lists those there are.')
    }).hono
}

const present = ({ name, createdAt, updatedAt }: SecretFacts): Secret => ({
  name,
  createdAt: new Date(createdAt).toISOString(),
  updatedAt: new Date(updatedAt).toISOString(),
})
