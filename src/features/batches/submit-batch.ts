/** Creating a batch of the native surface, whether it is asked for over HTTP or by a program that the server is part of. */
import { OPEN_MS } from '../../engine/transitions/open-batches.ts'
import type { Accepted, BatchOptions, ReserveQuota, Submission } from '../../engine/transitions/submission.ts'
import { submit } from '../../engine/transitions/submit.ts'
import { invalidRequest } from '../../errors.ts'
import type { AppDeps } from '../../http/context.ts'
import { durationMs } from '../../http/request/batch-options.ts'
import type { BatchPlan, Operation } from '../../operation.ts'
import { lengthOf, prepareNext } from './chain/prepare-next.ts'
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
  const { admit } = rest
  const accepted = await submit(deps, {
    ...rest,
    ...(admit === undefined ? {} : { admit: admitAll(admit, 1 + lengthOf(options.next)) }),
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
  deps: Pick<Deps, 'db' | 'clock' | 'operations' | 'declared'>,
  owner: string,
  body: CreateBatch,
): Promise<{ operation: ItemOperation; options: BatchOptions }> {
  const operation = await findOperation(deps, owner, body.operation)
  if (body.open === true && body.items !== undefined)
    throw invalidRequest('items', 'An open batch takes its items later: leave "items" out.')
  if (body.open !== true && body.items === undefined)
    throw invalidRequest('items', 'Expected an array with one item a job, or "open": true.')
  checkSize(body.input, 'input')
  const then = body.options?.then
  const next = then === undefined ? undefined : await prepareNext(deps, owner, then)
  return { operation, options: { ...optionsOf(body, deps.clock.now()), ...(next === undefined ? {} : { next }) } }
}

function optionsOf({ options = {}, open }: CreateBatch, now: number): BatchOptions {
  const { runAt, deadline, metadata, then, debounce, throttle, ...rest } = options
  refuseMixed({ ...options, open })
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
      debounce: debounce && {
        key: debounce.key,
        periodMs: durationMs(debounce.period),
        timeoutMs: debounce.timeout === undefined ? undefined : durationMs(debounce.timeout),
      },
      throttle: throttle && { key: throttle.key, limit: throttle.limit, periodMs: durationMs(throttle.period) },
    }).filter(([, value]) => value !== undefined),
  )
}

/** @throws MillraceError INVALID_REQUEST where two options each say when the batch begins */
function refuseMixed({
  runAt,
  debounce,
  throttle,
  open,
}: NonNullable<CreateBatch['options']> & { open?: boolean | undefined }): void {
  const refuse = (name: string, other: string, why: string) => {
    throw invalidRequest(
      `options.${name}`,
      `options.${name}: not together with "${other}": ${why}. Leave one of them out.`,
    )
  }
  const both = 'each says when the batch begins'
  if (debounce !== undefined && throttle !== undefined) refuse('throttle', 'debounce', both)
  if (debounce !== undefined && runAt !== undefined) refuse('debounce', 'runAt', both)
  if (throttle !== undefined && runAt !== undefined) refuse('throttle', 'runAt', both)
  if (debounce !== undefined && open === true)
    refuse('debounce', 'open', 'a batch whose items are still to come may be superseded before they are there')
  if (debounce?.timeout !== undefined && durationMs(debounce.timeout) < durationMs(debounce.period))
    throw invalidRequest(
      'options.debounce.timeout',
      `options.debounce.timeout: expected at least the period ("${debounce.period}"): nothing begins before it is over.`,
    )
}

/** Reserves a unit for the batch, and one for each that follows it. */
function admitAll(admit: ReserveQuota, batches: number): ReserveQuota {
  return async () => {
    const taken: Awaited<ReturnType<ReserveQuota>>[] = []
    const refund = async () => {
      for (const one of taken) await one()
    }
    try {
      while (taken.length < batches) taken.push(await admit())
    } catch (error) {
      await refund()
      throw error
    }
    return refund
  }
}
