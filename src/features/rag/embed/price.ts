/** Prices of embedding, by the table that the operator keeps. */
import { invalidRequest } from '../../../errors.ts'
import type { VectorServices } from '../../../ports.ts'
import type { ChosenModel } from './chosen-model.ts'

const TOKENS_OF_A_PRICE = 1_000_000

type Services = Pick<VectorServices, 'settings'> | null

/** Returns the price of tokens, in dollars; null where the operator named none of this model. The local model costs nothing. */
export function priceOf({ id }: Pick<ChosenModel, 'id'>, tokens: number, services: Services): number | null {
  if (id === 'local') return 0
  const price = services?.settings.prices[id]
  return price === undefined ? null : (price * tokens) / TOKENS_OF_A_PRICE
}

/** Refuses a bound on costs that this server cannot know. @throws MillraceError INVALID_REQUEST */
export function checkMaxCost(maxCost: number | undefined, model: ChosenModel, services: Services): void {
  if (maxCost === undefined || priceOf(model, 0, services) !== null) return
  const issue = `This server has no price for the model "${model.id}" (EMBED_PRICES), so it cannot bound what it costs`
  throw invalidRequest('max_cost', `max_cost: ${issue}`)
}
