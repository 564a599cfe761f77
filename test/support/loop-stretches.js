/**
 * Preloaded into servers whose event loop is measured: tells over IPC the most CPU time that its thread took in one iteration since it was last
 * asked. CPU time, since a wait for a core is no work of the server's.
 */
import process from 'node:process'

const cpuMs = () => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

let longestMs = 0
let lastMs = cpuMs()

/** Runs once an iteration, and keeps none going: without a reference, immediates let the loop wait for what comes. */
function look() {
  const nowMs = cpuMs()
  longestMs = Math.max(longestMs, nowMs - lastMs)
  lastMs = nowMs
  setImmediate(look).unref()
}

setImmediate(look).unref()
process.on('message', (question) => {
  if (question !== 'longest stretch') return
  process.send?.({ longestMs })
  longestMs = 0
})
process.channel?.unref()
