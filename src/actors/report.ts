/** Tells what went wrong that nobody waits for. `doing` says in the midst of what, as `starting task 01a2…`. */
export type Report = (error: unknown, doing: string) => void
