/**
 * Holds tasks with limits back until they have their permits: so many at a time (of the task, of a key of its input),
 * so many in a window of time. A permit is taken in the limit's stream before the claim it names, and returned after
 * the claim has ended; one whose claim came to nothing is reclaimed. So the limits hold over all nodes.
 *
 * Tasks wait in lanes (lanes.ts): one for each task, or for each key, so that a key at its limit does not hold up the others.
 */
import { type ActorSystem, type LimitRules, type PermitWanted, type Report, taskKind } from '../actors/index.ts'
import { newId } from '../events/index.ts'
import { Gate, type PermitReturn, RECLAIM_EVERY_MS, type Unclaimed } from './gate.ts'
import type { TaskLimits } from './handlers.ts'
import { type Lane, Lanes, sizeOf } from './lanes.ts'
import type { Ready } from './ready-queue.ts'

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
  /** There may be room, or somebody who wants it: to be called back by `pump` when it is the turn of these lanes. */
  readonly wake: () => void
  /** The running code finds no concurrency key in the item's input: it can never be started. */
  readonly reject: (item: T, error: unknown) => void
  readonly report: Report
}

/** A permit of each gate of its lane, for a task's next claim. */
interface Want<T> extends PermitWanted {
  readonly item: T
}

export class Admission<T extends Waiting> {
  readonly #options: AdmissionOptions<T>
  readonly #lanes: Lanes<T>
  /** By task. Those of keys live with their lanes. */
  readonly #gates = new Map<string, Gate>()
  /** By claim: where its permits are returned. */
  readonly #held = new Map<string, readonly Gate[]>()
  readonly #unclaimed: Unclaimed = new Map()

  constructor(options: AdmissionOptions<T>) {
    this.#options = options
    this.#lanes = new Lanes(options.system.clock, options.wake)
  }

  /** Lines the item up. */
  add(item: T, limits: TaskLimits): void {
    if (!limits.key) {
      this.#lineUp(item, limits, undefined)
      return
    }
    this.#valueOf(item, limits.key)
      .then((value) => {
        if (value === undefined) return
        this.#lineUp(item, limits, value)
        this.#options.wake()
      })
      .catch((error) => this.#options.report(error, `reading the concurrency key of task ${item.id}`))
  }

  #lineUp(item: T, limits: TaskLimits, value: string | undefined): void {
    const key = value === undefined ? `task:${item.name}` : keyOf(item.name, value)
    this.#lanes.add(key, item, () => this.#gatesOf(item.name, limits, value))
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
        if ((await gate.take([{ taskId: item.id, claim }])).has(claim)) continue
        this.#giveBack(gates.slice(0, index), { taskId: item.id, claim, reason: 'turned away' })
        return { again: gate.nextAt }
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
    for (const lane of this.#lanes.ready) if (!this.#ask(lane)) return
  }

  /** Asks no more for any that stands in line; what is asked for has its answer yet, and permits are given back. */
  close(): void {
    this.#lanes.close()
  }

  /** The claim has ended, or came to nothing. */
  release(taskId: string, claim: string, reason: string): void {
    this.#giveBack(this.#held.get(claim) ?? [], { taskId, claim, reason })
    this.#held.delete(claim)
  }

  /** The log shows that a permit was returned: one that waits at that gate may ask for it. */
  returned(stream: string): void {
    if (!this.#tells) this.#lanes.returned(stream)
  }

  /** Nobody else takes permits: how many there are is known without asking, and as soon as the log has a return. */
  get #tells(): boolean {
    return this.#options.system.exclusive
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

  /** @returns false if no slot of the node is free */
  #ask(lane: Lane<T>): boolean {
    const rooms = lane.gates.map(({ room }) => room)
    const full = lane.gates[rooms.findIndex((room) => room <= 0)]
    if (full && !lane.insists) {
      this.#lanes.turnAway(lane, full, full.nextAt)
      return true
    }
    const slots = this.#options.takeSlots(Math.min(sizeOf(lane), Math.max(1, Math.min(...rooms))))
    if (slots === 0) return false
    // One that was paused meanwhile stands there twice, and asks once.
    const items = new Set<T>()
    for (let item = this.#next(lane); item; item = items.size < slots ? this.#next(lane) : undefined) items.add(item)
    for (let spare = slots - items.size; spare > 0; spare--) this.#options.giveSlot()
    this.#lanes.begin(lane)
    void this.#askFor(lane, [...items])
    return true
  }

  #next(lane: Lane<T>): T | undefined {
    for (;;) {
      const item = lane.front.shift() ?? lane.queue.shift()
      if (!item || this.#options.waits(item)) return item
    }
  }

  async #askFor(lane: Lane<T>, items: readonly T[]): Promise<void> {
    const { gates } = lane
    const wants = items.map((item) => ({ item, taskId: item.id, claim: newId() }))
    for (const gate of gates) gate.expect(wants.length)
    const { granted, narrow } = await this.#pass(gates, wants)
    for (const gate of gates) gate.expect(-wants.length)
    for (const { item, claim } of granted) {
      this.#held.set(claim, gates)
      this.#options.admit(item, claim)
    }
    const passed = new Set(granted)
    const left = wants.filter((want) => !passed.has(want))
    for (const _ of left) this.#options.giveSlot()
    lane.front = [...left.map(({ item }) => item), ...lane.front]
    const [first] = gates
    if (narrow) this.#lanes.turnAway(lane, narrow, narrow.nextAt)
    else if (left.length > 0 && first)
      this.#lanes.turnAway(lane, first, this.#options.system.clock.now() + RECLAIM_EVERY_MS)
    this.#lanes.end(lane)
    // What it did not take is for others. What was returned before it began to wait it may have itself.
    for (const gate of gates) if (gate !== lane.waitsAt || (gate === narrow && gate.isKnown)) this.#lanes.passed(gate)
    this.#options.wake()
  }

  /**
   * Through each gate in turn; who is turned away at one gives back what it got before.
   * @returns those that passed all of them, and the last gate that had not enough; none of both if the log could not be asked
   */
  async #pass(
    gates: readonly Gate[],
    all: readonly Want<T>[],
  ): Promise<{ granted: readonly Want<T>[]; narrow?: Gate }> {
    let granted = all
    let narrow: Gate | undefined
    try {
      for (const [index, gate] of gates.entries()) {
        const taken = await gate.take(granted)
        const denied = granted.filter(({ claim }) => !taken.has(claim))
        for (const want of denied) this.#giveBack(gates.slice(0, index), { ...of(want), reason: 'turned away' })
        if (denied.length > 0) narrow = gate
        granted = granted.filter(({ claim }) => taken.has(claim))
      }
      return narrow ? { granted, narrow } : { granted }
    } catch (error) {
      this.#options.report(error, 'taking permits')
      for (const want of all) this.#giveBack(gates, { ...of(want), reason: 'not asked' })
      return { granted: [] }
    }
  }

  #giveBack(gates: readonly Gate[], permit: PermitReturn): void {
    for (const gate of gates) {
      const returned = gate.giveBack(permit)
      if (!this.#tells) continue
      void returned.then(() => {
        this.#lanes.passed(gate)
        this.#options.wake()
      })
    }
  }
}

function of<T>({ taskId, claim }: Want<T>): PermitWanted {
  return { taskId, claim }
}

function keyOf(name: string, value: string): string {
  return `key:${name}:${value}`
}
