/** The client of an owner's secrets, `/api/secrets`: put, listed by name, deleted. No call returns a value. */
import type { Secret, SecretList, SecretPut } from '../features/secrets/schemas.ts'
import type { Client } from './client.ts'
import { readCoded } from './errors.ts'
import { type Http, json } from './http.ts'
import type { CallOptions } from './types.ts'

/** Makes the client of secrets. */
export function secretsClient(client: Client): SecretsClient {
  return new SecretsClient(client)
}

export class SecretsClient {
  readonly #http: Http

  /** Use `secretsClient`. */
  constructor(client: Client) {
    this.#http = client.http.at({ name: 'secrets', mount: '/api/secrets', read: readCoded })
  }

  /** Stores a secret; replaces one of the same name. @param value 8 to 8,192 characters */
  async put(name: string, value: string, call?: CallOptions): Promise<Secret> {
    const { secret }: SecretPut = await this.#http.json(pathOf(name), { method: 'PUT', ...json({ value }), ...call })
    return secret
  }

  /** Names of all secrets, with their dates. */
  async list(call?: CallOptions): Promise<Secret[]> {
    const { secrets }: SecretList = await this.#http.json('', call)
    return secrets
  }

  /** Deletes a secret. @throws ApiError NOT_FOUND */
  async delete(name: string, call?: CallOptions): Promise<void> {
    await this.#http.json(pathOf(name), { method: 'DELETE', again: false, ...call })
  }
}

const pathOf = (name: string) => `/${encodeURIComponent(name)}`
