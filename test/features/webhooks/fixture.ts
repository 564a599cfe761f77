/** Batches with a webhook on an engine that sends, and its log. */
import { submit } from '../../../src/engine/transitions/submit.ts'
import type { WebhookOptions } from '../../../src/engine/webhooks.ts'
import { echo } from '../../../src/features/echo/operation.ts'
import { webhook } from '../../../src/features/webhooks/operation.ts'
import { listDeliveries } from '../../../src/features/webhooks/queries.ts'
import type { Delivery } from '../../../src/features/webhooks/schemas.ts'
import { type openEngine, until } from '../../support/fixture.ts'

export type Engine = Awaited<ReturnType<typeof openEngine>>
export const sender = webhook({ echo })
export const SECRET = `whsec_${btoa('0123456789abcdefghijklmnopqrstuv')}`

/** Submits items to `echo`, whose end is told. */
export const create = (on: Engine, items: readonly unknown[], hook: WebhookOptions, owner = 'me') =>
  submit(on, { owner, operation: echo, request: { items }, options: { webhook: { secret: SECRET, ...hook } } })

export const log = (on: Engine, filter: Partial<Parameters<typeof listDeliveries>[2]> = {}, owner = 'me') =>
  listDeliveries(on.db, owner, { limit: 100, ...filter })

/** The first delivery that is as it should be, once there is one. */
export const delivery = (on: Engine, as: (one: Delivery) => boolean) =>
  until(async () => (await log(on)).find((one) => as(one)))
