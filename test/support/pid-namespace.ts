/** Running a command among processes of its own, as a container does. */
import { execFileSync } from 'node:child_process'

/** Makes a pid namespace whose first process is the command given to it; its end ends the command. */
export const OWN_PROCESSES: readonly string[] = [
  ...['unshare', '--user', '--map-root-user', '--pid', '--fork', '--kill-child', '--mount-proc'],
]

/** Whether this machine lets us make one: Linux does, unless its administrator says otherwise. */
export const hasOwnProcesses = ((): boolean => {
  try {
    const [program = '', ...args] = OWN_PROCESSES
    execFileSync(program, [...args, 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()
