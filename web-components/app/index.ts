/** The door of the shell. */
export { CapsuleApp } from './app.ts'
