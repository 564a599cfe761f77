/** Checks the batches that are to follow a new one (`options.then`), and makes the states that it stores of them. */
import { startBudget } from '../../../engine/transitions/budget.ts'
import { leastOf } from '../../../engine/transitions/submission.ts'
import { invalidRequest, MillraceError } from '../../../errors.ts'
import type { AppDeps } from '../../../http/context.ts'
import { MAX_CHAIN, type Then } from '../../../http/request/batch-options.ts'
import type { NextState } from '../../../schema/chain.ts'
import { checkSize, findOperation, type ItemOperation, planItems } from '../items.ts'

type Deps = Pick<AppDeps, 'db' | 'operations' | 'declared'>

const utf8 = new TextEncoder()

/**
 * Checks a batch that is to follow, and those after it, as far as they can be without items.
 * @param field where it stands in the request
 * @throws MillraceError as a create of that batch would, its field under `field`
 */
export async function prepareNext(
  deps: Deps,
  owner: string,
  then: Then,
  field = 'options.then',
  depth = 1,
): Promise<NextState> {
  if (depth > MAX_CHAIN) {
    throw new MillraceError(
      'BATCH_TOO_LARGE',
      `${field}: at most ${MAX_CHAIN} batches may follow one another. Begin a chain of its own for those after them.`,
      { details: { field } },
    )
  }
  const { operation, input, facts } = await under(field, () => planEmpty(deps, owner, then))
  const { options = {} } = then
  const { metadata, budget, labels = [], priority = 0, maxAttempts } = options
  if (options.webhook !== undefined && options.webhook.secret === undefined) {
    throw invalidRequest(
      `${field}.options.webhook.secret`,
      `${field}.options.webhook.secret: expected a secret of your own, such as one that "openssl rand -base64 32" makes, after "whsec_": no answer would show one that is made.`,
    )
  }
  const text = metadata === undefined ? undefined : JSON.stringify(metadata)
  const concurrency = leastOf(leastOf(operation.concurrency, facts.concurrency), options.concurrency ?? null)
  const after =
    options.then === undefined
      ? undefined
      : await prepareNext(deps, owner, options.then, `${field}.options.then`, depth + 1)
  const state: NextState = {
    operation: operation.name,
    ...(operation.queue === undefined ? {} : { queue: operation.queue }),
    input,
    facts: facts.shown,
    ...(concurrency === null ? {} : { concurrency }),
    priority,
    maxAttempts: maxAttempts ?? operation.maxAttempts,
    ...(text === undefined ? {} : { metadata: text }),
    ...(budget === undefined ? {} : { budget: startBudget(budget) }),
    labels: [...new Set(labels)],
    ...(options.webhook === undefined ? {} : { webhook: options.webhook }),
    inputBytes: text === undefined ? 0 : utf8.encode(text).byteLength,
    ...(after === undefined ? {} : { next: after }),
    ...{ fed: 0, fedSeq: 0, feeding: false, batchIds: [] },
  }
  checkSize(state, field)
  return state
}

/** Counts the batches that follow one. */
export const lengthOf = (next: NextState | undefined): number => (next === undefined ? 0 : 1 + lengthOf(next.next))

/** Plans a batch without its items. */
async function planEmpty(deps: Deps, owner: string, { operation: name, input }: Then) {
  const operation: ItemOperation = await findOperation(deps, owner, name)
  checkSize(input, 'input')
  const plan = await planItems(operation, input ?? {}, [])
  await operation.checkInput?.(deps.db, owner, plan.input)
  return { operation, input: plan.input, facts: { shown: plan.facts, concurrency: plan.concurrency ?? null } }
}

/** Runs checks whose errors name fields of the batch that follows; they are rethrown with the place of that batch before the field. */
async function under<T>(place: string, check: () => Promise<T>): Promise<T> {
  try {
    return await check()
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    const inner = error.details?.field
    const field = typeof inner === 'string' && inner !== '' ? `${place}.${inner}` : place
    const named =
      typeof inner === 'string' && error.message.startsWith(inner)
        ? `${place}.${error.message}`
        : `${field}: ${error.message}`
    throw new MillraceError(error.code, named, { cause: error, details: { ...error.details, field } })
  }
}
