/** Backups of a log, and what puts one in its place again. */
export { type Backup, type BackupOptions, backupCluster, backupDirectory } from './make.ts'
export { type Restored, restoreBackup } from './restore.ts'
