/** The client of the log of webhook deliveries, `/api/webhooks`. */
import type { Delivery, DeliveryAnswer, DeliveryList, ListDeliveries } from '../features/webhooks/schemas.ts'
import type { Client } from './client.ts'
import { readCoded } from './errors.ts'
import type { Http } from './http.ts'
import { Page } from './page.ts'
import type { Read } from './schema-types.ts'
import type { CallOptions } from './types.ts'

/** Makes the client of webhook deliveries. */
export function webhooksClient(client: Client): WebhooksClient {
  return new WebhooksClient(client)
}

export class WebhooksClient {
  readonly #http: Http

  /** Use `webhooksClient`. */
  constructor(client: Client) {
    this.#http = client.http.at({ name: 'webhooks', mount: '/api/webhooks/deliveries', read: readCoded })
  }

  /** Deliveries, those of the newest batch first. */
  async list(query: Read<typeof ListDeliveries> = {}, call?: CallOptions): Promise<Page<Delivery, string>> {
    const { deliveries, next }: DeliveryList = await this.#http.json('', { query, ...call })
    return new Page(deliveries, next, (cursor) => this.list({ ...query, cursor }, call))
  }

  /** Reads one delivery. @throws ApiError NOT_FOUND */
  async read(id: string, call?: CallOptions): Promise<Delivery> {
    const { delivery }: DeliveryAnswer = await this.#http.json(`/${encodeURIComponent(id)}`, call)
    return delivery
  }

  /** Sends a delivery again, under the same id. @throws ApiError CONFLICT while it is on its way */
  async redeliver(id: string, call?: CallOptions): Promise<Delivery> {
    const path = `/${encodeURIComponent(id)}/redeliver`
    const { delivery }: DeliveryAnswer = await this.#http.json(path, { method: 'POST', again: false, ...call })
    return delivery
  }
}
