/** The door of the app's pages. */
export { CapsulePage } from './page.ts'
