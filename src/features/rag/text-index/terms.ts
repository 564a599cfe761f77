/** Terms of the full-text index. */

/**
 * Makes the term of a word in a collection. It begins with the collection's number, so that posting lists and statistics belong to one
 * collection, and thus to one owner. The dot between them is a token character of the index, and occurs in no word.
 */
export const indexedWord = (collectionId: number, word: string): string => `${collectionId.toString(36)}·${word}`
