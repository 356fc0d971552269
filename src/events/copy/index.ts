/** Copies of a log: to another store, to a backup, and back. */
export { type Copied, copyHistory, type Log } from './copy.ts'
export * from './errors.ts'
export { type MigrateOptions, migrateLog, nameOf, type Place, placeOf } from './migrate.ts'
export { appsIn, assertArrived, assertHere, assertNothingLeft } from './moved.ts'
