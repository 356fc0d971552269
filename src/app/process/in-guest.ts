/** Whether this is the process of a task: the app's file is imported here too, and must not start the app again. */
let guest = false

export function enterGuest(): void {
  guest = true
}

export function inGuest(): boolean {
  return guest
}
