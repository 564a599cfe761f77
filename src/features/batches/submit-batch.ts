/** Creating a batch of the native surface, whether it is asked for over HTTP or by a program that the server is part of. */
import { OPEN_MS } from '../../engine/transitions/open-batches.ts'
import type { Accepted, BatchOptions, Submission } from '../../engine/transitions/submission.ts'
import { submit } from '../../engine/transitions/submit.ts'
import { invalidRequest } from '../../errors.ts'
import type { AppDeps } from '../../http/context.ts'
import type { BatchPlan, Operation } from '../../operation.ts'
import { checkItems, checkSize, findOperation, type ItemOperation, planItems } from './items.ts'
import type { CreateBatch } from './schemas.ts'

/** Facts of a create beside its body. */
export interface Creation extends Pick<Submission, 'owner' | 'idempotency' | 'admit'> {
  /** Bytes of the text that the largest item came in. */
  readonly largest: number
  /** Facts that the batch shows beside those of its operation. */
  readonly facts?: Readonly<Record<string, unknown>>
}

type Deps = Pick<AppDeps, 'db' | 'clock' | 'dispatcher' | 'notifier' | 'operations' | 'declared' | 'quota'>

/**
 * Accepts a batch.
 * @throws MillraceError naming the field that is wrong; as `submit` does
 */
export async function submitBatch(
  deps: Deps,
  body: CreateBatch,
  creation: Creation,
): Promise<Accepted & Pick<Operation, 'queue'>> {
  const { largest, facts, ...rest } = creation
  const { operation, options } = await prepareBatch(deps, creation.owner, body)
  await checkItems(body.items ?? [], largest)
  const accepted = await submit(deps, {
    ...rest,
    operation,
    request: null,
    async plan() {
      const plan = await planChecked(deps, operation, rest.owner, body)
      return facts === undefined ? plan : { ...plan, facts: { ...plan.facts, ...facts } }
    },
    options,
  })
  return { ...accepted, ...(operation.queue === undefined ? {} : { queue: operation.queue }) }
}

/**
 * Checks a create with its items, and makes nothing.
 * @throws MillraceError naming the field that is wrong
 */
export async function checkBatch(deps: Deps, owner: string, body: CreateBatch): Promise<void> {
  const { operation } = await prepareBatch(deps, owner, body)
  await checkItems(body.items ?? [], Number.POSITIVE_INFINITY)
  await planChecked(deps, operation, owner, body)
}

/** Plans a batch, and checks what its input names of its owner's. */
async function planChecked(
  { db }: Pick<Deps, 'db'>,
  operation: ItemOperation,
  owner: string,
  { input = {}, items = [] }: CreateBatch,
): Promise<BatchPlan> {
  const plan = await planItems(operation, input ?? {}, items)
  await operation.checkInput?.(db, owner, plan.input)
  return plan
}

/**
 * Checks all of a create but its items.
 * @throws MillraceError naming the field that is wrong
 */
export async function prepareBatch(
  deps: Pick<Deps, 'clock' | 'operations' | 'declared'>,
  owner: string,
  body: CreateBatch,
): Promise<{ operation: ItemOperation; options: BatchOptions }> {
  const operation = await findOperation(deps, owner, body.operation)
  if (body.open === true && body.items !== undefined)
    throw invalidRequest('items', 'An open batch takes its items later: leave "items" out.')
  if (body.open !== true && body.items === undefined)
    throw invalidRequest('items', 'Expected an array with one item a job, or "open": true.')
  checkSize(body.input, 'input')
  return { operation, options: optionsOf(body, deps.clock.now()) }
}

function optionsOf({ options = {}, open }: CreateBatch, now: number): BatchOptions {
  const { runAt, deadline, metadata, ...rest } = options
  if (runAt !== undefined && deadline !== undefined && Date.parse(deadline) <= Date.parse(runAt))
    throw invalidRequest(
      'options.deadline',
      'options.deadline: expected a time after "runAt", when its jobs may begin.',
    )
  return Object.fromEntries(
    Object.entries({
      ...rest,
      metadata: metadata === undefined ? undefined : JSON.stringify(metadata),
      runAt: runAt === undefined ? undefined : Date.parse(runAt),
      deadlineAt: deadline === undefined ? undefined : Date.parse(deadline),
      openUntil: open === true ? now + OPEN_MS : undefined,
    }).filter(([, value]) => value !== undefined),
  )
}
