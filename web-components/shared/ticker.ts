/**
 * One timer per page for everything that counts seconds. It runs on whole seconds, only while something listens
 * and the page is seen, so that all countdowns change together and an idle page does nothing.
 */
import type { ReactiveController, ReactiveControllerHost } from 'lit'

const listeners = new Set<() => void>()
let timer: number | undefined

/** Calls `listener` on every whole second; returns how to stop that. */
export function everySecond(listener: () => void): () => void {
  listeners.add(listener)
  arm()
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    window.clearTimeout(timer)
    timer = undefined
  }
}

function arm(): void {
  timer ??= window.setTimeout(
    () => {
      timer = undefined
      if (document.visibilityState === 'visible') for (const listener of [...listeners]) listener()
      if (listeners.size > 0) arm()
    },
    1000 - (Date.now() % 1000),
  )
}

document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') for (const listener of [...listeners]) listener()
})

/** Re-renders its host each second for as long as `active` says so after a render. */
export class EverySecond implements ReactiveController {
  readonly #host: ReactiveControllerHost
  readonly #active: () => boolean
  #stop: (() => void) | undefined

  constructor(host: ReactiveControllerHost, active: () => boolean) {
    this.#host = host
    this.#active = active
    host.addController(this)
  }

  hostUpdated(): void {
    if (this.#active()) this.#stop ??= everySecond(() => this.#host.requestUpdate())
    else this.hostDisconnected()
  }

  hostConnected(): void {
    this.#host.requestUpdate()
  }

  hostDisconnected(): void {
    this.#stop?.()
    this.#stop = undefined
  }
}
