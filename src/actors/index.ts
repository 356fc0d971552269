/** Actors: machines, their deciders, and the system that runs them against the log. The only door into this folder. */
export * from './errors.ts'
