/** Types flow from an operation's schemas to its run, and to whoever hands it items; `tsc` checks what is expected here. */
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import type { Client, ItemResult } from '../../src/client/index.ts'
import { defineOperation } from '../../src/custom/define-operation.ts'
import type { Millrace } from '../../src/node-embed.ts'

const resize = defineOperation({
  name: 'resize',
  item: z.object({ url: z.string(), width: z.number().default(320) }),
  result: z.object({ key: z.string(), at: z.string().default('now') }),
  input: z.object({ quality: z.number().optional() }),
  run(item, ctx) {
    expectTypeOf(item).toEqualTypeOf<{ url: string; width: number }>()
    expectTypeOf(ctx.input).toEqualTypeOf<{ quality?: number | undefined }>()
    expectTypeOf(ctx.state).toEqualTypeOf<unknown>()
    return { key: 'k' }
  },
})

type Item = { url: string; width?: number | undefined }
type Result = { key: string; at: string }

describe('the types of an operation', () => {
  it('are those of its schemas', () => {
    expectTypeOf(resize.name).toEqualTypeOf<'resize'>()
    expectTypeOf<z.input<typeof resize.schemas.item>>().toEqualTypeOf<{ url: string; width?: number | undefined }>()
    expectTypeOf<z.output<typeof resize.schemas.result>>().toEqualTypeOf<{ key: string; at: string }>()
  })

  it('hold what run returns to the result', () => {
    const item = z.object({})
    const result = z.object({ n: z.number() })
    defineOperation({ name: 'a', item, result, run: async (_, ctx) => ctx.continueLater(1) })
    defineOperation({ name: 'a', item, run: () => 'anything' })
    // @ts-expect-error The result is no number.
    defineOperation({ name: 'a', item, result, run: () => ({ n: 'one' }) })
    // @ts-expect-error An operation needs a schema of its items.
    const unnamed = () => defineOperation({ name: 'a', run: () => 1 })
    expectTypeOf(unnamed).toBeFunction()
  })

  it('flow to the client: to what it creates, follows and reads', () => {
    const use = async (client: Client) => {
      const batch = await client.create(resize, [{ url: 'a' }, { url: 'b', width: 1 }], { input: { quality: 1 } })
      for await (const event of client.follow(batch)) {
        if (event.type === 'job_completed') expectTypeOf(event.result).toEqualTypeOf<Result | undefined>()
        if (event.type === 'job_failed') expectTypeOf(event.errorMessage).toEqualTypeOf<string>()
        if (event.type === 'batch_completed') {
          expectTypeOf(event.tallies).toEqualTypeOf<Readonly<Record<string, number>> | undefined>()
        }
      }
      for await (const { item, result, set } of await client.items(batch, { set: 'succeeded' })) {
        expectTypeOf(item).toEqualTypeOf<Item>()
        expectTypeOf(result).toEqualTypeOf<Result | undefined>()
        expectTypeOf(set).toEqualTypeOf<ItemResult['set']>()
      }
      // A page names the type alone, so that none of the operation's code comes along.
      const named = await client.create<typeof resize>('resize', [{ url: 'a' }])
      expectTypeOf(named).toEqualTypeOf(batch)
      // @ts-expect-error An item lacks its url.
      await client.create(resize, [{ width: 1 }])
      // @ts-expect-error The width of an item is no text.
      await client.create<typeof resize>('resize', [{ url: 'a', width: 'wide' }])
      // @ts-expect-error The operation has another name.
      await client.create<typeof resize>('resizes', [{ url: 'a' }])
      // @ts-expect-error The input is no text.
      await client.create(resize, [{ url: 'a' }], { input: { quality: 'good' } })
      // @ts-expect-error Results have no such field.
      for await (const event of client.follow(batch)) if (event.type === 'job_completed') event.result?.bytes
      // Of a batch that is known by its id alone, nothing is known of results.
      for await (const event of client.follow('id')) {
        if (event.type === 'job_completed') expectTypeOf(event.result).toEqualTypeOf<unknown>()
      }
    }
    expectTypeOf(use).toBeFunction()
  })

  it('flow to whoever submits and follows in the same program', () => {
    const use = async (millrace: Millrace) => {
      const batch = await millrace.submit(resize, [{ url: 'a' }], { input: {} })
      for await (const event of millrace.follow(batch)) {
        if (event.type === 'job_completed') expectTypeOf(event.result).toEqualTypeOf<Result | undefined>()
      }
      expectTypeOf(await millrace.submit<typeof resize>('resize', [])).toEqualTypeOf(batch)
      // @ts-expect-error An item lacks its url.
      await millrace.submit(resize, [{}])
      // @ts-expect-error The input is no text.
      await millrace.submit(resize, [], { input: { quality: 'good' } })
    }
    expectTypeOf(use).toBeFunction()
  })
})
