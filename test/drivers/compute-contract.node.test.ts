/** The suite of every Compute, on the processes of Node. What only processes can do is in compute-processes.test.ts. */
import { createProcessCompute } from '../../src/drivers/compute-processes.ts'
import { computeContract } from '../contracts/compute.ts'

computeContract('Processes', () => {
  const at = (path: string) => new URL(`../../${path}`, import.meta.url)
  const tasks = at('test/contracts/compute-tasks.ts')
  const code = [tasks, at('src/'), at('package.json')]
  const compute = createProcessCompute({ tasks, code, memoryMb: 250, cpuSeconds: 60, processes: 2 })
  return { compute, places: 2, dispose: () => compute.close() }
})
