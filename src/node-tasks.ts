/** The tasks of Compute as its child processes load them. */
import { createComputeTasks } from './compute-tasks.ts'
import { nodeTaskFiles } from './drivers/task-files-node.ts'

export const computeTasks = createComputeTasks(nodeTaskFiles)
