/** Operations that the configuration declares for workers over HTTP; all owners may use them. */
import * as z from 'zod'
import { ConfigError } from '../../config.ts'
import { safeParse } from '../../http/request/safe-parse.ts'
import { makeWorkerOperation, type WorkerOperation } from './declared-operation.ts'
import { OperationDeclaration, OperationName } from './schemas.ts'

const Declarations = z.array(z.strictObject({ name: OperationName, ...OperationDeclaration.shape }))
const EXPECTED = 'OPERATIONS: expected a JSON array such as [{"name": "resize", "maxAttempts": 5}]'

/**
 * Makes the operations that `OPERATIONS` declares.
 * @param text null where it is not set
 * @throws ConfigError naming the field that is wrong
 */
export function configuredOperations(text: string | null): WorkerOperation[] {
  if (text === null) return []
  const parsed = safeParse(Declarations, parseJson(text))
  const issue = parsed.error?.issues[0]
  if (issue !== undefined || parsed.data === undefined) {
    throw new ConfigError(`OPERATIONS: ${issue?.path.join('.')}: ${issue?.message} ${EXPECTED}.`)
  }
  return parsed.data.map(({ name, ...declaration }) => makeWorkerOperation(name, declaration))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new ConfigError(`${EXPECTED}; this is no JSON.`)
  }
}
