/**
 * What helpers of the tests leave for the end of the file that they help. A hook of their own would be one of the first
 * file of the process only, which is where their module is loaded.
 */
const left: (() => unknown)[] = []

/** Does this once the tests of the file are through, before what was left earlier. */
export function afterwards(undo: () => unknown): void {
  left.push(undo)
}

export async function undoAll(): Promise<void> {
  for (let undo = left.pop(); undo; undo = left.pop()) await undo()
}
