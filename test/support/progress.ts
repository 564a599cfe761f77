import type { Progress } from '../../src/ports.ts'

/** Makes the progress of the first job of a batch, job `j`, in its first attempt. */
export const progressOf = (percent: number, message: string): Progress => ({
  jobId: 'j',
  sequence: 1,
  percent,
  message,
  stage: null,
  itemId: null,
  filename: null,
  url: null,
  attempt: 1,
  maxAttempts: 3,
  startedAt: 1,
})
