/** What an app is declared with, and a running app. The only door into this folder. */
export * from './definition.ts'
export * from './running.ts'
