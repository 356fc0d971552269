/** Snapshots of actors with long streams: when they are taken, and where they are kept. */
export { SnapshotKeeper, type SnapshotOptions } from './keeper.ts'
export { MemorySnapshots } from './memory.ts'
export type { Snapshot, SnapshotStore } from './port.ts'
export { openSqliteSnapshots } from './sqlite.ts'
