/**
 * Which nodes are alive, as this node sees it. Each announces itself in its stream every two seconds; one that was not
 * heard of for eight is taken for dead.
 *
 * False alarms are the danger: they would interrupt work that runs. So silence is judged by this node's own clock from
 * when it received the last sign, and only while this node can trust itself: its timers were never over a second late
 * and its own announcements are answered. Whenever it could not, everybody gets the full time again.
 */
import { createHash } from 'node:crypto'
import type { ActorSystem, Clock, Report, Timer } from '../actors/index.ts'
import { type EventStore, type JsonObject, type RecordedEvent, streamName } from '../events/index.ts'
import { type Announcer, type MakeAnnouncer, NODE_EVENTS_KEPT, nodeEvent } from './announcer.ts'

export interface MembershipOptions {
  readonly system: ActorSystem
  readonly store: EventStore
  readonly node: string
  readonly version: string
  readonly manifest: JsonObject
  readonly announcer: MakeAnnouncer
  /** A node went silent and its stream says nothing newer. Its work is anybody's. */
  readonly onDead: (node: string) => void
  /** This node was away so long that others may have taken it for dead. */
  readonly onAwake: () => void
  readonly report: Report
}

export const SILENCE_MS = 8_000
const LOOK_EVERY_MS = 500
/** A timer this late says that this node itself was away: others' silence may be its own. */
const LATE_MS = 1_000

interface Member {
  /** By this node's monotonic clock. */
  heardAt: number
  /** Id of the last event of its stream that this node knows. */
  lastSign: string | undefined
  /** Undefined until it was heard or read. */
  manifest: JsonObject | undefined
  draining: boolean
  /** Its stream is being read before it is declared dead. */
  judging: boolean
}

export class Membership {
  readonly #options: MembershipOptions
  readonly #clock: Clock
  readonly #members = new Map<string, Member>()
  readonly #dead = new Set<string>()
  readonly #stream: string
  readonly #announcer: Announcer
  #look: Timer | undefined
  #lookAt = 0
  /** Since when an announcement of this node waits for the store's answer. */
  #unansweredSince: number | undefined
  #open = false

  constructor(options: MembershipOptions) {
    this.#options = options
    const { system, store, node, announcer } = options
    this.#clock = system.clock
    this.#stream = streamName(system.app, 'node', node)
    this.#announcer = announcer({ node, stream: this.#stream, store, clock: system.clock, manifest: options.manifest })
  }

  /** Live nodes that take work, this one among them. */
  get working(): readonly string[] {
    const others = [...this.#members].filter(([, { draining }]) => !draining).map(([id]) => id)
    return [this.#options.node, ...others]
  }

  /** Whether another live node's manifest says so, or may: one that is not known yet counts as if it did. */
  mayOthersDeclare(says: (manifest: JsonObject) => boolean): boolean {
    return [...this.#members.values()].some(({ manifest }) => manifest === undefined || says(manifest))
  }

  isAlive(node: string): boolean {
    return node === this.#options.node || this.#members.has(node)
  }

  /** This node was away for so long that others may have taken it for dead, and has not looked around since. */
  get isLate(): boolean {
    return this.#open && this.#clock.monotonic() - this.#lookAt >= SILENCE_MS
  }

  /** This node's place in the order of those who should act for the key: 0 is the first. */
  rank(key: string): number {
    if (this.#members.size === 0) return 0
    const mine = weight(this.#options.node, key)
    return this.working.filter((node) => node !== this.#options.node && weight(node, key) > mine).length
  }

  /** Says that this node is there. */
  async start(): Promise<void> {
    const { node, version, manifest } = this.#options
    await this.#append('NodeStarted', { node, version, manifest })
    if (this.#options.system.exclusive) return
    // One that is not capped only takes room.
    this.#options.store
      .capStream(this.#stream, NODE_EVENTS_KEPT)
      .catch((error) => this.#options.report(error, 'capping the stream of this node'))
    this.#open = true
    this.#lookAt = this.#clock.monotonic() + LOOK_EVERY_MS
    this.#armLook()
    this.#announcer.start({
      asked: () => {
        this.#unansweredSince = this.#clock.monotonic()
      },
      answered: () => this.#answered(),
      failed: (error) => {
        this.#answered()
        this.#trustNobody()
        this.#options.report(error, 'announcing this node')
      },
    })
  }

  async drain(): Promise<void> {
    if (!this.#options.system.exclusive) await this.#append('NodeDraining', {})
  }

  async stop(clean: boolean): Promise<void> {
    await this.halt()
    await this.#append('NodeStopped', { clean })
  }

  /** Says and judges nothing any more. */
  async halt(): Promise<void> {
    this.#open = false
    this.#look?.cancel()
    await this.#announcer.stop()
  }

  /** Work in the name of a node that this one has not heard of: it gets the full time to say something. */
  expect(node: string): void {
    if (this.#options.system.exclusive || node === this.#options.node) return
    if (this.#members.has(node) || this.#dead.has(node)) return
    const member = {
      heardAt: this.#clock.monotonic(),
      lastSign: undefined,
      manifest: undefined,
      draining: false,
      judging: false,
    }
    this.#members.set(node, member)
    this.#acquaint(node, member)
  }

  #acquaint(node: string, member: Member): void {
    this.#lookUp(node, member).catch((error) => this.#options.report(error, `reading the stream of node ${node}`))
  }

  /** Follows the log: events of nodes in order, each once. */
  follow(node: string, event: RecordedEvent): void {
    if (node === this.#options.node) return
    if (event.type === 'NodeStopped') {
      this.#lose(node)
      return
    }
    const known = this.#members.get(node)
    this.#dead.delete(node)
    const member = {
      heardAt: this.#clock.monotonic(),
      lastSign: event.id,
      manifest: manifestIn(event) ?? known?.manifest,
      draining: event.type === 'NodeDraining' || (known?.draining ?? false),
      judging: false,
    }
    this.#members.set(node, member)
    if (member.manifest === undefined) this.#acquaint(node, member)
  }

  #lose(node: string): void {
    this.#members.delete(node)
    this.#dead.add(node)
    this.#options.onDead(node)
  }

  #answered(): void {
    const since = this.#unansweredSince
    this.#unansweredSince = undefined
    if (since !== undefined && this.#clock.monotonic() - since > LATE_MS) this.#trustNobody()
  }

  #armLook(): void {
    this.#announcer.beat(LOOK_EVERY_MS)
    this.#look = this.#clock.after(LOOK_EVERY_MS, () => {
      if (!this.#open) return
      const late = this.#clock.monotonic() - this.#lookAt
      this.#lookAt = this.#clock.monotonic() + LOOK_EVERY_MS
      this.#armLook()
      if (late > LATE_MS) this.#trustNobody()
      if (late >= SILENCE_MS) this.#options.onAwake()
      this.#judge()
    })
  }

  /** This node, or its store, was away: what it did not hear may have been said all the same. */
  #trustNobody(): void {
    for (const member of this.#members.values()) member.heardAt = this.#clock.monotonic()
  }

  #judge(): void {
    const now = this.#clock.monotonic()
    if (this.#unansweredSince !== undefined && now - this.#unansweredSince > LATE_MS) return
    for (const [node, member] of this.#members) {
      if (member.judging || now - member.heardAt < SILENCE_MS) continue
      member.judging = true
      this.#lookBeforeJudging(node, member).catch((error) => {
        member.judging = false
        member.heardAt = this.#clock.monotonic()
        this.#options.report(error, `reading the stream of node ${node}`)
      })
    }
  }

  /** What it said may be on its way to this node still: its stream is asked before it is declared dead. */
  async #lookBeforeJudging(node: string, member: Member): Promise<void> {
    const { heardAt, lastSign } = member
    const asked = this.#clock.monotonic()
    await this.#lookUp(node, member)
    member.judging = false
    if (this.#members.get(node) !== member || member.lastSign !== lastSign || member.heardAt !== heardAt) return
    if (this.#clock.monotonic() - asked > LATE_MS) member.heardAt = this.#clock.monotonic()
    else this.#lose(node)
  }

  /** Takes note of the last event in the node's stream, if it is news, and of what the node declares. */
  async #lookUp(node: string, member: Member): Promise<void> {
    const { system, store } = this.#options
    const limit = member.manifest === undefined ? NODE_EVENTS_KEPT : 1
    const events = await store.readStream(streamName(system.app, 'node', node), { direction: 'backwards', limit })
    const [last] = events
    if (this.#members.get(node) !== member) return
    member.manifest ??= events.map(manifestIn).find((manifest) => manifest !== undefined)
    member.draining ||= events.some(({ type }) => type === 'NodeDraining')
    if (last === undefined || last.id === member.lastSign) return
    if (last.type === 'NodeStopped') this.#lose(node)
    else Object.assign(member, { lastSign: last.id, heardAt: this.#clock.monotonic() })
  }

  async #append(type: string, data: JsonObject): Promise<void> {
    const { store, node } = this.#options
    await store.append(this.#stream, 'any', [nodeEvent(node, type, data, this.#clock.now())])
  }
}

function manifestIn({ type, data }: RecordedEvent): JsonObject | undefined {
  const declares = type === 'NodeStarted' || type === 'NodeSeen'
  return declares ? (data.manifest as JsonObject | undefined) : undefined
}

/** Rendezvous hashing (Thaler and Ravishankar, 1996): each node weighs a key; the heaviest is the first in its order. */
function weight(node: string, key: string): number {
  return createHash('sha256').update(`${node} ${key}`).digest().readUInt32BE(0)
}
