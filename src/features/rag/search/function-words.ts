/** English function words, which carry grammar rather than the topic of a question. */
import { tokenize } from '../text-index/tokenize.ts'

const WORDS = `a an the this that these those i me my mine we us our ours you your yours he him his she her hers it its they them their theirs one ones
  what which who whom whose when where why how is are was were be been being am do does did done can could may might must shall should will would
  have has had having to of in on at by for with from as into about over out up down off again and or but if than then so not no nor there here just
  any some all each every very too still also only yet ever`

/** The words as tokens of the index. */
const FUNCTION_WORDS: ReadonlySet<string> = new Set(tokenize(WORDS))

/**
 * Share of its weight that a function word keeps. Those of questions are rare in passages, so that by rarity "should" would weigh as much
 * as a noun, and a question in other words than its answer would find any passage with "should".
 */
const SHARE = 0.1

/** Returns the factor of the weight of a query's token. */
export const weightShare = (word: string): number => (FUNCTION_WORDS.has(word) ? SHARE : 1)
