/**
 * Preloaded into servers that tests start: ends the process when the tests are gone, however they ended. A process that is killed runs no
 * handler of its own, so its children have to notice.
 */
import process from 'node:process'

process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'))
// The channel alone is no reason to go on running.
process.channel?.unref()
