/**
 * Refuses a Node that is too old, before anything else can fail for it. JavaScript, for `scripts/start.js` imports it where nothing is built
 * yet, under any Node.
 */

/** The oldest Node that will do, as `engines` of package.json has it. */
const OLDEST = [22, 15]

/**
 * Describes what is wrong with a version of Node.
 * @param {string} version such as `20.20.2`
 * @returns {string | null} a sentence; null where it will do
 */
export function describeOldNode(version) {
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return null
  return `Millrace needs Node ${OLDEST.join('.')} or later, and this is Node ${version}.`
}

/** Ends a program with that sentence where its Node is too old. */
export function demandNode() {
  const fault = describeOldNode(process.versions.node)
  if (fault === null) return
  console.error(fault)
  process.exit(1)
}
