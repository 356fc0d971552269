/** Backups of a log, and what puts one in its place again. */
export { type Backup, type BackupOptions, type BackupProgress, backupCluster, backupDirectory } from './make.ts'
export { type Restored, type RestoreOptions, type RestoreProgress, restoreBackup } from './restore.ts'
