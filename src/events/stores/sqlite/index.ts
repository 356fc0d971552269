/** The embedded store: one SQLite file, one writer thread, no server. */
export { type DirectoryLock, lockDirectory } from './lock.ts'
export { openSqliteReader, type RawEvent, type SqliteReader, type SqliteReaderOptions } from './reader.ts'
export { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from './store.ts'
