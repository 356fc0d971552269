/** A file that a process cannot work with: it exports no app. */
export const app = undefined
