/**
 * The lines that tasks with limits stand in: one for each task, or for each key of it. A line is asked in its turn; one that
 * was turned away at a gate waits there until a permit comes back, or it is time to look again. There may be as many
 * lines as inputs, so nothing here goes through all of them.
 */
import type { Clock, Timer } from '../actors/index.ts'
import type { Gate } from './gate.ts'
import { OwnFirst, type Ready } from './ready-queue.ts'

export interface Lane<T extends LeftTo> {
  readonly key: string
  /** Each is to be passed, in this order. */
  readonly gates: readonly Gate[]
  readonly queue: OwnFirst<T>
  /** Turned away at a gate: first in line. */
  front: T[]
  /** For some of them permits are being asked for. Limits of which one was returned meanwhile: whoever is refused may ask again. */
  asking: Set<string> | undefined
  /** Where it was turned away, and waits. */
  waitsAt: Gate | undefined
  /** It is to ask, whatever its gates look like: what looks taken may be lost. */
  insists: boolean
}

interface LeftTo extends Ready {
  /** How long it was left to nodes that come before this one in its order. */
  readonly leftMs: number
}

/** Those that wait at one gate, in the order of their turns. */
interface Crowd<T extends LeftTo> {
  readonly lanes: Set<Lane<T>>
  /** One for all of them: many that wait must not become many that ask. */
  again: { readonly at: number; readonly timer: Timer } | undefined
}

export class Lanes<T extends LeftTo> {
  readonly #clock: Clock
  readonly #onWoken: () => void
  readonly #byKey = new Map<string, Lane<T>>()
  /** Those that may ask, in the order of their turns. */
  readonly #ready = new Set<Lane<T>>()
  readonly #asking = new Set<Lane<T>>()
  /** By the stream of a limit: a key's gate is made again, and is the same one. */
  readonly #crowds = new Map<string, Crowd<T>>()
  #closed = false

  /** @param onWoken called when it was time to look again at a gate, and a lane that waited there may ask */
  constructor(clock: Clock, onWoken: () => void) {
    this.#clock = clock
    this.#onWoken = onWoken
  }

  /** Those that may ask. Whoever does is to be taken out by `begin`. */
  get ready(): Iterable<Lane<T>> {
    return this.#ready
  }

  /** Puts an item in line. @param gates of a lane that is not there yet */
  add(key: string, item: T, gates: () => readonly Gate[]): void {
    let lane = this.#byKey.get(key)
    if (!lane) {
      lane = {
        key,
        gates: gates(),
        queue: new OwnFirst<T>(),
        front: [],
        asking: undefined,
        waitsAt: undefined,
        insists: false,
      }
      this.#byKey.set(key, lane)
    }
    lane.queue.push(item)
    if (!lane.asking && !lane.waitsAt) this.#ready.add(lane)
  }

  begin(lane: Lane<T>): void {
    this.#ready.delete(lane)
    this.#asking.add(lane)
    lane.asking = new Set()
    lane.insists = false
  }

  /** It has its answer: those left in line have another turn, after the other lanes. */
  end(lane: Lane<T>): void {
    this.#asking.delete(lane)
    lane.asking = undefined
    if (lane.waitsAt) return
    if (sizeOf(lane) > 0) this.#ready.add(lane)
    else this.#drop(lane)
  }

  /** Nobody is left in line. */
  #drop(lane: Lane<T>): void {
    this.#ready.delete(lane)
    this.#byKey.delete(lane.key)
  }

  /** @param at when to look again, milliseconds since the epoch */
  turnAway(lane: Lane<T>, gate: Gate, at: number): void {
    if (lane.asking?.has(gate.stream)) return
    this.#ready.delete(lane)
    lane.waitsAt = gate
    const crowd = this.#crowds.get(gate.stream) ?? { lanes: new Set(), again: undefined }
    this.#crowds.set(gate.stream, crowd)
    crowd.lanes.add(lane)
    this.#lookAgain(crowd, gate, at)
  }

  /** A permit of the limit came back: one of those that wait for it may ask. */
  returned(stream: string): void {
    for (const { asking, gates } of this.#asking) if (gates.some((gate) => gate.stream === stream)) asking?.add(stream)
    this.#wake(stream, 1, false)
  }

  /** Something has changed at the gate: others may pass, if there is room, or it is known when there will be. */
  passed(gate: Gate): void {
    const crowd = this.#crowds.get(gate.stream)
    if (!crowd) return
    const { room } = gate
    if (room > 0) this.#wake(gate.stream, gate.isKnown ? room : 1, false)
    else this.#lookAgain(crowd, gate, gate.nextAt)
  }

  /** So many of those that wait there may ask. */
  #wake(stream: string, count: number, insists: boolean): void {
    const crowd = this.#crowds.get(stream)
    if (!crowd) return
    let left = count
    for (const lane of crowd.lanes) {
      if (left-- < 1) return
      crowd.lanes.delete(lane)
      lane.waitsAt = undefined
      lane.insists = insists
      if (!lane.asking) this.#ready.add(lane)
    }
    if (crowd.lanes.size > 0) return
    crowd.again?.timer.cancel()
    this.#crowds.delete(stream)
  }

  /** Nobody is to ask any more. */
  close(): void {
    this.#closed = true
    for (const { again } of this.#crowds.values()) again?.timer.cancel()
  }

  #lookAgain(crowd: Crowd<T>, gate: Gate, at: number): void {
    if (this.#closed || (crowd.again && crowd.again.at <= at)) return
    crowd.again?.timer.cancel()
    const timer = this.#clock.at(at, () => {
      crowd.again = undefined
      const { room } = gate
      this.#lookAgain(crowd, gate, gate.nextAt)
      this.#wake(gate.stream, gate.isKnown ? Math.max(1, room) : 1, true)
      this.#onWoken()
    })
    crowd.again = { at, timer }
  }
}

export function sizeOf<T extends LeftTo>(lane: Lane<T>): number {
  return lane.front.length + lane.queue.size
}
