/** Compute in a Worker. */
import { createInlineCompute } from '../../src/drivers/compute-inline.ts'
import { computeContract } from '../contracts/compute.ts'
import { computeTasks } from '../contracts/compute-tasks.ts'

computeContract('a Worker', () => ({ compute: createInlineCompute(computeTasks), places: 1 }))
