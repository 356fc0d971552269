/**
 * Holds tasks with limits back until they have their permits: so many at a time (of the task, of a key of its input),
 * so many in a window of time. A permit is taken in the limit's stream before the claim it names, and returned after
 * the claim has ended; one whose claim came to nothing is reclaimed. So the limits hold over all nodes.
 *
 * Tasks wait in lanes: one for each task, or for each key, so that a key at its limit does not hold up the others.
 */
import {
  type ActorSystem,
  type LimitContext,
  type LimitRules,
  limitKind,
  nextAllowed,
  type PermitWanted,
  type Report,
  type Timer,
  taskKind,
} from '../actors/index.ts'
import { newId, streamName } from '../events/index.ts'
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

/** How long a permit may be without its claim before another node takes it for lost. */
const UNCLAIMED_MS = 10_000
const RECLAIM_EVERY_MS = 1_000

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
    let refusal: Refusal | undefined
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

  #turnAway(lane: Lane<T>, items: readonly T[], { permitOf, nextAt }: Refusal): void {
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

/** What is known when a gate has no more permits. */
interface Refusal {
  readonly permitOf: string | undefined
  /** When to ask again, milliseconds since the epoch. */
  readonly nextAt: number
}

function keyOf(name: string, value: string): string {
  return `key:${name}:${value}`
}

function later(a: Refusal | undefined, b: Refusal): Refusal {
  return a && a.nextAt > b.nextAt ? a : b
}

/**
 * By a limit's stream, and by claim that no task shows: since when this node has seen its permit, by the monotonic clock.
 * Gates of keys come and go between two looks.
 */
type Unclaimed = Map<string, ReadonlyMap<string, number>>

/** One limit's stream, as this node uses it. */
class Gate {
  readonly stream: string
  readonly #system: ActorSystem
  readonly #by: `node:${string}`
  readonly #key: string
  readonly #rules: LimitRules
  readonly #unclaimed: Unclaimed
  readonly #report: Report
  /** Permits that this node holds or asks for: whatever becomes of them, it returns them itself. */
  readonly #ours = new Set<string>()
  #returns: (PermitWanted & { readonly reason: string })[] = []
  #returning = false
  #lookedForLost = false

  constructor(system: ActorSystem, node: string, key: string, rules: LimitRules, unclaimed: Unclaimed, report: Report) {
    this.#system = system
    this.#by = `node:${node}`
    this.#key = key
    this.#rules = rules
    this.#unclaimed = unclaimed
    this.#report = report
    this.stream = streamName(system.app, limitKind.kind, key)
  }

  /** @returns the claims that got a permit, and when it is worth to ask again for the others */
  async take(wants: readonly PermitWanted[]): Promise<Refusal & { readonly granted: ReadonlySet<string> }> {
    for (const { claim } of wants) this.#ours.add(claim)
    const wanted = wants.map(({ taskId, claim }) => ({ taskId, claim }))
    let context = await this.#adjust(wanted, [])
    // Against a rate no permit is waited for: what a process before left out is looked at with the first one taken.
    if (!this.#lookedForLost || wanted.some(({ claim }) => !has(context, claim))) {
      this.#lookedForLost = true
      const lost = await this.#lost(context)
      if (lost.length > 0) context = await this.#adjust(wanted, lost)
    }
    const granted = new Set<string>()
    for (const { claim } of wanted) {
      if (has(context, claim)) granted.add(claim)
      else this.#ours.delete(claim)
    }
    const now = this.#system.clock.now()
    const byRate = nextAllowed(this.#rules, context, now)
    return byRate === undefined
      ? { granted, permitOf: this.stream, nextAt: now + RECLAIM_EVERY_MS }
      : { granted, permitOf: undefined, nextAt: byRate }
  }

  giveBack(permit: PermitWanted & { readonly reason: string }): void {
    if (!this.#ours.has(permit.claim)) return
    this.#returns.push(permit)
    if (this.#returning) return
    this.#returning = true
    // What ends in the same turn is returned in one append.
    queueMicrotask(() => {
      this.#returning = false
      this.#adjust([], []).catch((error) => this.#report(error, `returning permits of ${this.#key}`))
    })
  }

  async #adjust(
    wants: readonly PermitWanted[],
    lost: readonly (PermitWanted & { readonly reason: string })[],
  ): Promise<LimitContext> {
    const returns = [...this.#returns.splice(0), ...lost]
    const command = { type: 'adjust', returns, wants, rules: this.#rules } as const
    const { state } = await this.#system.execute(limitKind, this.#key, command, { by: this.#by, mustLand: true })
    for (const { claim } of returns) this.#ours.delete(claim)
    return state.context
  }

  /** Permits of others whose claim never came, or has ended: their node died, or stopped before it returned them. */
  async #lost({ permits }: LimitContext): Promise<readonly (PermitWanted & { readonly reason: string })[]> {
    const foreign = permits.filter(({ claim }) => !this.#ours.has(claim))
    const seen = this.#unclaimed.get(this.stream)
    const since = new Map<string, number>()
    const looked = await Promise.all(
      foreign.map(async ({ taskId, claim, at }) => {
        const { state } = await this.#system.read(taskKind, taskId, { mustLand: true })
        if (state.context.claim?.id === claim) return undefined
        const lost = { taskId, claim, reason: 'reclaimed' }
        if (this.#system.exclusive) return lost
        const seenAt = seen?.get(claim) ?? this.#system.clock.monotonic()
        since.set(claim, seenAt)
        return (await this.#isLost(lost, at, seenAt)) ? lost : undefined
      }),
    )
    if (since.size > 0) this.#unclaimed.set(this.stream, since)
    else this.#unclaimed.delete(this.stream)
    return looked.filter((permit) => permit !== undefined)
  }

  /** Others' permits are old by the dates of two nodes, which may be minutes apart: so that alone says nothing. */
  async #isLost({ taskId, claim }: PermitWanted, takenAt: number, since: number): Promise<boolean> {
    const { clock } = this.#system
    if (Math.abs(clock.now() - takenAt) < UNCLAIMED_MS) return false
    if (clock.monotonic() - since >= UNCLAIMED_MS) return true
    return (await this.#system.history(taskKind, taskId)).some(({ id }) => id === claim)
  }
}

function has({ permits }: LimitContext, claim: string): boolean {
  return permits.some((permit) => permit.claim === claim)
}
