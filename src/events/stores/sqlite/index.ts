/** The embedded store: one SQLite file, one writer thread, no server. */
export { EVENTS_FILE } from './file.ts'
export { damageOf, openImage, type WriteImage, writeImage } from './image/index.ts'
export { type DirectoryLock, lockDirectory } from './lock.ts'
export { openSqliteReader, type SqliteReader, type SqliteReaderOptions } from './reader.ts'
export { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from './store.ts'
export { type Header, LogSurvey } from './survey.ts'
