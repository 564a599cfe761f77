/** The schema that this release knows: the name of its last migration. A test compares it with the folder of migrations. */
export const NEWEST_MIGRATION = '0032_callback-outcomes'
