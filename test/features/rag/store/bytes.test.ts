import { expect, it } from 'vitest'
import { fromHex, toHex } from '../../../../src/features/rag/store/bytes.ts'

it('hexadecimal text has every byte, and gives it back in either case', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, at) => at)
  expect(toHex(bytes)).toBe(Buffer.from(bytes).toString('hex'))
  expect(fromHex(toHex(bytes))).toEqual(bytes)
  expect(fromHex(toHex(bytes).toUpperCase())).toEqual(bytes)
  expect(toHex(new Uint8Array())).toBe('')
})
