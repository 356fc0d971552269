/**
 * Holds tasks with limits back until they have their permits: so many at a time (of the task, of a key of its input),
 * so many in a window of time. A permit is taken in the limit's stream before the claim it names, and returned after
 * the claim has ended; one whose claim came to nothing is reclaimed. So the limits hold over all nodes.
 *
 * Tasks wait in lanes: one for each task, or for each key, so that a key at its limit does not hold up the others.
 */
import { type ActorSystem, type LimitRules, type Report, type Timer, taskKind } from '../actors/index.ts'
import { newId } from '../events/index.ts'
import { Gate, type NoPermit, RECLAIM_EVERY_MS, type Unclaimed } from './gate.ts'
import type { TaskLimits } from './handlers.ts'
import { OwnFirst, type Ready } from './ready-queue.ts'

export interface Waiting extends Ready {
  readonly id: string
  readonly name: string
  /** How long it was left to nodes that come before this one in its order. */
  readonly leftMs: number
}

export interface AdmissionOptions<T extends Waiting> {
  readonly system: ActorSystem
  readonly node: string
  /** Whether the record still waits to be started. */
  readonly waits: (item: T) => boolean
  /** Takes slots of the node for items about to be started. @returns how many of those wished for */
  readonly takeSlots: (wished: number) => number
  readonly giveSlot: () => void
  /** The item has its permits and a slot: claim it with this id. */
  readonly admit: (item: T, claim: string) => void
  /** The running code finds no concurrency key in the item's input: it can never be started. */
  readonly reject: (item: T, error: unknown) => void
  readonly report: Report
}

interface Lane<T extends Waiting> {
  readonly gates: readonly Gate[]
  readonly queue: OwnFirst<T>
  /** Turned away at the gate: first in line. */
  front: T[]
  asking: boolean
  /** Those in front were turned away. */
  blocked: Blocked | undefined
}

interface Blocked {
  /** Asks again, whatever happens meanwhile. One for each lane: many that wait must not become many that ask. */
  readonly again: Timer
  /** The stream of the limit whose next returned permit is worth asking for before; none helps against a rate. */
  readonly permitOf: string | undefined
}

export class Admission<T extends Waiting> {
  readonly #options: AdmissionOptions<T>
  readonly #lanes = new Map<string, Lane<T>>()
  /** By task. Those of keys live with their lanes. */
  readonly #gates = new Map<string, Gate>()
  /** By claim: where its permits are returned. */
  readonly #held = new Map<string, readonly Gate[]>()
  readonly #unclaimed: Unclaimed = new Map()

  constructor(options: AdmissionOptions<T>) {
    this.#options = options
  }

  /** Lines the item up. */
  add(item: T, limits: TaskLimits): void {
    if (!limits.key) {
      this.#lane(item.name, limits, undefined).queue.push(item)
      return
    }
    this.#valueOf(item, limits.key)
      .then((value) => {
        if (value === undefined) return
        // Its lane is looked up where it is put in: one that was empty a moment ago is not kept.
        this.#lane(item.name, limits, value).queue.push(item)
        this.pump()
      })
      .catch((error) => this.#options.report(error, `reading the concurrency key of task ${item.id}`))
  }

  /**
   * Asks for the permits of one that does not stand in line, for it runs alone on its node.
   * @returns the claim they are for, or when to ask again (milliseconds since the epoch)
   */
  async ask(item: T, limits: TaskLimits): Promise<{ readonly claim: string } | { readonly again: number }> {
    const { clock } = this.#options.system
    try {
      const value = limits.key && (await this.#valueOf(item, limits.key))
      if (limits.key && value === undefined) return { again: Number.POSITIVE_INFINITY }
      const gates = this.#gatesOf(item.name, limits, value)
      const claim = newId()
      for (const [index, gate] of gates.entries()) {
        const { granted, nextAt } = await gate.take([{ taskId: item.id, claim }])
        if (granted.has(claim)) continue
        for (const earlier of gates.slice(0, index)) earlier.giveBack({ taskId: item.id, claim, reason: 'turned away' })
        return { again: nextAt }
      }
      this.#held.set(claim, gates)
      return { claim }
    } catch (error) {
      this.#options.report(error, 'taking permits')
      return { again: clock.now() + RECLAIM_EVERY_MS }
    }
  }

  /** Asks for permits for those in front, as far as there are slots. */
  pump(): void {
    for (const lane of this.#lanes.values()) {
      if (!lane.asking && !lane.blocked) this.#ask(lane)
    }
  }

  /** The claim has ended, or came to nothing. */
  release(taskId: string, claim: string, reason: string): void {
    for (const gate of this.#held.get(claim) ?? []) gate.giveBack({ taskId, claim, reason })
    this.#held.delete(claim)
  }

  /** The log shows that a permit was returned: whoever waits at that gate may ask again. */
  returned(stream: string): void {
    for (const lane of this.#lanes.values()) {
      if (lane.blocked?.permitOf === stream) this.#unblock(lane)
    }
  }

  /** The item's key; undefined if the running code can make none of its input, which fails the task. */
  async #valueOf(item: T, { of }: NonNullable<TaskLimits['key']>): Promise<string | undefined> {
    const { state } = await this.#options.system.read(taskKind, item.id, { mustLand: true })
    try {
      return of(state.context.submission?.params ?? {})
    } catch (error) {
      this.#options.reject(item, error)
      return undefined
    }
  }

  #gatesOf(name: string, limits: TaskLimits, value: string | undefined): readonly Gate[] {
    const { concurrency, rate, key } = limits
    const ofKey = value !== undefined && key ? [this.#gate(keyOf(name, value), { concurrency: key.limit })] : []
    const ofTask = concurrency !== undefined || rate ? [this.#gateOfTask(name, { concurrency, rate })] : []
    return [...ofKey, ...ofTask]
  }

  #lane(name: string, limits: TaskLimits, value: string | undefined): Lane<T> {
    const key = value === undefined ? `task:${name}` : keyOf(name, value)
    let lane = this.#lanes.get(key)
    if (!lane) {
      lane = {
        gates: this.#gatesOf(name, limits, value),
        queue: new OwnFirst<T>(),
        front: [],
        asking: false,
        blocked: undefined,
      }
      this.#lanes.set(key, lane)
    }
    return lane
  }

  #gateOfTask(name: string, rules: LimitRules): Gate {
    const known = this.#gates.get(name)
    if (known) return known
    const gate = this.#gate(`task:${name}`, rules)
    this.#gates.set(name, gate)
    return gate
  }

  #gate(key: string, rules: LimitRules): Gate {
    return new Gate(this.#options.system, this.#options.node, key, rules, this.#unclaimed, this.#options.report)
  }

  #ask(lane: Lane<T>): void {
    const size = lane.front.length + lane.queue.size
    const slots = size === 0 ? 0 : this.#options.takeSlots(size)
    if (slots === 0) return
    // One that was paused meanwhile stands there twice, and asks once.
    const items = new Set<T>()
    for (let item = this.#next(lane); item; item = items.size < slots ? this.#next(lane) : undefined) items.add(item)
    for (let spare = slots - items.size; spare > 0; spare--) this.#options.giveSlot()
    if (items.size === 0) return this.#drop(lane)
    lane.asking = true
    this.#pass(lane, [...items])
      .catch((error) => {
        this.#options.report(error, 'taking permits')
        this.#turnAway(lane, [...items], {
          permitOf: undefined,
          nextAt: this.#options.system.clock.now() + RECLAIM_EVERY_MS,
        })
      })
      .finally(() => {
        lane.asking = false
        if (lane.front.length + lane.queue.size > 0) this.pump()
        else this.#drop(lane)
      })
  }

  #next(lane: Lane<T>): T | undefined {
    for (;;) {
      const item = lane.front.shift() ?? lane.queue.shift()
      if (!item || this.#options.waits(item)) return item
    }
  }

  /** Through each gate in turn; who is turned away at one gives back what it got before. */
  async #pass(lane: Lane<T>, items: readonly T[]): Promise<void> {
    let wants = items.map((item) => ({ item, taskId: item.id, claim: newId() }))
    let refusal: NoPermit | undefined
    for (const [index, gate] of lane.gates.entries()) {
      const { granted, ...refused } = await gate.take(wants)
      const denied = wants.filter(({ claim }) => !granted.has(claim))
      for (const { taskId, claim } of denied) {
        for (const earlier of lane.gates.slice(0, index)) earlier.giveBack({ taskId, claim, reason: 'turned away' })
      }
      if (denied.length > 0) refusal = later(refusal, refused)
      wants = wants.filter(({ claim }) => granted.has(claim))
    }
    const admitted = new Set(wants.map(({ item }) => item))
    for (const { item, claim } of wants) {
      this.#held.set(claim, lane.gates)
      this.#options.admit(item, claim)
    }
    const left = items.filter((item) => !admitted.has(item))
    if (refusal && left.length > 0) this.#turnAway(lane, left, refusal)
  }

  #turnAway(lane: Lane<T>, items: readonly T[], { permitOf, nextAt }: NoPermit): void {
    lane.front = [...items, ...lane.front]
    for (const _ of items) this.#options.giveSlot()
    // What looks taken may be lost.
    const again = this.#options.system.clock.at(nextAt, () => {
      this.#unblock(lane)
      this.pump()
    })
    lane.blocked = { again, permitOf }
  }

  #unblock(lane: Lane<T>): void {
    lane.blocked?.again.cancel()
    lane.blocked = undefined
  }

  /** An empty lane of a key is not kept: there may be as many keys as inputs. */
  #drop(lane: Lane<T>): void {
    for (const [key, known] of this.#lanes) {
      if (known === lane && key.startsWith('key:')) this.#lanes.delete(key)
    }
  }
}

function keyOf(name: string, value: string): string {
  return `key:${name}:${value}`
}

function later(a: NoPermit | undefined, b: NoPermit): NoPermit {
  return a && a.nextAt > b.nextAt ? a : b
}
