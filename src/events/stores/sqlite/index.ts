/** The embedded store: one SQLite file, one writer thread, no server. */
export { EVENTS_FILE } from './file.ts'
export { damageOf, openImage, writeImage } from './image/index.ts'
export { type DirectoryLock, lockDirectory } from './lock.ts'
export { openSqliteReader } from './reader.ts'
export { openSqliteStore, type SqliteStore } from './store.ts'
export { LogSurvey } from './survey.ts'
