/**
 * The picture of the task machine: its states and transitions, the present state lit in its hue, and the way this task
 * took numbered in ink. To a screen reader it is one image, whose label says the same.
 */
import { html, nothing, type SVGTemplateResult, svg, type TemplateResult } from 'lit'
import type { JobStatus } from '../../src/http/wire.ts'
import { format, jobs, strokes } from '../shared/index.ts'
import { type From, type Step, TRANSITIONS, type Transition } from './path.ts'
import { type Box, type Layout, lane, layout, type Place, type Point } from './statechart-layout.ts'

/** When a step was, as short as its place in the picture: "14:05:09" today, else "19 Nov". */
export function when(at: string, now: number): string {
  const day = format.day(at, now)
  return day === 'Today' ? format.clockSeconds(at) : day
}

/** Steps that are read out one by one; earlier ones are counted. */
const READ_OUT = 12

/** The picture in words: where the task is, and how it came there. */
export function describe(status: JobStatus, steps: readonly Step[], now: number): string {
  const state = `States of the task. Now: ${jobs.STATUS_WORDS[status]}.`
  if (steps.length === 0) return state
  const earlier = Math.max(0, steps.length - READ_OUT)
  const told = steps.slice(earlier).map(({ to, type, at }) => `${jobs.STATUS_WORDS[to]} by ${type} ${when(at, now)}`)
  return `${state} Path: ${earlier > 0 ? `${format.plural(earlier, 'earlier step')}, ` : ''}${told.join(', ')}.`
}

/**
 * Draws it for a place `room` CSS pixels wide, where text of the fonts `family` is `scale` times its usual size.
 * `steps` is what the history tells so far; without any the states stand alone.
 */
export function statechart(
  status: JobStatus,
  steps: readonly Step[],
  now: number,
  { room, scale, family }: { room: number; scale: number; family: string },
): TemplateResult {
  const plan = layout(Math.floor(room / scale))
  const measure = ruler(`${plan.narrow ? 11 : 12}px ${family}`)
  const taken = new Set(steps.map(key))
  const visits = new Map<JobStatus, number>()
  for (const { to } of steps) visits.set(to, (visits.get(to) ?? 0) + 1)
  const edges = (drawn: boolean) =>
    TRANSITIONS.filter((each) => taken.has(key(each)) === drawn).map((each) => edge(plan.route(each), drawn))
  return html`<svg
    class="statechart ${plan.narrow ? 'narrow' : ''}"
    role="img"
    aria-label=${describe(status, steps, now)}
    viewBox="0 0 ${plan.width} ${plan.height}"
    width=${plan.width * scale}
    height=${plan.height * scale}
  >
    <g transform="translate(0.5 0.5)">${edges(false)}</g>
    ${edges(true)}
    ${lanes().map(([name, transitions]) => label(plan, name, transitions, steps, now, measure))}
    ${STATES.map((each) => state(plan, each, each === status, visits.get(each) ?? 0, family))}
  </svg>`
}

const STATES: readonly JobStatus[] = [
  'pending',
  'scheduled',
  'retry',
  'running',
  'completed',
  'timeout',
  'failed',
  'cancelled',
]

function key({ from, type }: { from: From; type: string }): string {
  return `${from} ${type}`
}

function lanes(): [string, Transition[]][] {
  const found = new Map<string, Transition[]>()
  for (const each of TRANSITIONS) found.set(lane(each), [...(found.get(lane(each)) ?? []), each])
  return [...found]
}

/** Measures text as it will be drawn, for fonts differ by a quarter; what lines up after it needs its width. */
function ruler(font: string): (text: string) => number {
  pen ??= document.createElement('canvas').getContext('2d') ?? undefined
  const ready = pen
  if (!ready) return (text) => text.length * 7
  return (text) => {
    ready.font = font
    return ready.measureText(text).width
  }
}

let pen: CanvasRenderingContext2D | undefined

const CORNER = 7

function edge(points: readonly Point[], taken: boolean): SVGTemplateResult {
  const [start, tip] = [points[0], points.at(-1)]
  if (!start || !tip) return svg``
  let path = `M${start[0]} ${start[1]}`
  for (const [at, [x, y]] of points.entries()) {
    if (at === 0) continue
    const next = points[at + 1]
    const before = points[at - 1] ?? start
    if (!next) path += `L${x} ${y}`
    else {
      const [a, b] = [towards([x, y], before), towards([x, y], next)]
      path += `L${a[0]} ${a[1]}Q${x} ${y} ${b[0]} ${b[1]}`
    }
  }
  const [dx, dy] = direction(points.at(-2) ?? start, tip)
  const [x, y] = tip
  const head = `M${x} ${y}L${x - 7 * dx - 3.5 * dy} ${y - 7 * dy - 3.5 * dx}L${x - 7 * dx + 3.5 * dy} ${y - 7 * dy + 3.5 * dx}z`
  return svg`<g class="edge ${taken ? 'taken' : ''}"><path d=${path} /><path class="head" d=${head} /></g>`
}

function direction([x, y]: Point, [toX, toY]: Point): Point {
  return [Math.sign(toX - x), Math.sign(toY - y)]
}

/** The point where a corner begins, at most half way to its neighbour. */
function towards(corner: Point, neighbour: Point): Point {
  const [dx, dy] = direction(corner, neighbour)
  const far = Math.abs(neighbour[0] - corner[0]) + Math.abs(neighbour[1] - corner[1])
  const by = Math.min(CORNER, far / 2)
  return [corner[0] + dx * by, corner[1] + dy * by]
}

function state(plan: Layout, status: JobStatus, current: boolean, visits: number, family: string): SVGTemplateResult {
  const { x, y, width }: Box = plan.boxes[status]
  const height = plan.boxHeight
  const pad = plan.narrow ? 7 : 10
  const name = jobs.STATUS_WORDS[status]
  const weight = current ? 600 : visits > 0 ? 500 : 400
  const length = ruler(`${weight} ${plan.narrow ? 12 : 13}px ${family}`)(name)
  const indent = pad + (plan.narrow ? 20 : 22)
  const count = visits > 1 ? `×${visits}` : ''
  const tag = count.length * 7 + 8
  return svg`<g
    class="state ${current ? 'current' : visits > 0 ? 'visited' : ''}"
    data-state=${status}
    data-status=${current ? status : nothing}
  >
    <rect x=${x} y=${y} width=${width} height=${height} rx="6" />
    <g class="strokes" transform="translate(${x + pad} ${y + height / 2 - 8}) scale(${2 / 3})">${strokes(status)}</g>
    <text x=${x + indent} y=${y + height / 2 + 4.5} textLength=${squeezed(length, width - indent - 5)} lengthAdjust="spacingAndGlyphs">${name}</text>
    ${
      count
        ? svg`<g class="count"><rect x=${x + width - tag - 6} y=${y + height - 6} width=${tag} height="16" rx="8" /><text x=${x + width - tag / 2 - 6} y=${y + height + 6}>${count}</text></g>`
        : nothing
    }
  </g>`
}

/** The types of one lane, those taken alone once there are any: number, name, and time where there is room for it. */
function label(
  plan: Layout,
  name: string,
  transitions: readonly Transition[],
  steps: readonly Step[],
  now: number,
  measure: (text: string) => number,
): SVGTemplateResult {
  const place: Place | undefined = plan.labels[name]
  if (!place) return svg``
  const types = [...new Set(transitions.map(({ type }) => type))].map((type) => ({
    type,
    passages: steps.flatMap((step, at) =>
      step.type === type && lane(step) === name ? [{ n: at + 1, at: step.at }] : [],
    ),
  }))
  const walked = types.filter(({ passages }) => passages.length > 0)
  if (walked.length === 0) {
    const words = types.map(({ type }) => type).join(', ')
    const width = measure(words)
    const x = place.end ? place.x - Math.min(width, place.room) : place.x
    return svg`<text class="label" x=${x} y=${place.y} textLength=${squeezed(width, place.room)} lengthAdjust="spacingAndGlyphs">${words}</text>`
  }
  const [inset, gap, blank] = [5, 12, measure(' ')]
  const drawn = (short: boolean) =>
    walked.map(({ type, passages }) => {
      const last = passages.at(-1)
      const all = passages.length > 2 ? `${passages[0]?.n} … ${last?.n}` : passages.map(({ n }) => n).join(', ')
      const number = short ? String(last?.n) : all
      const pill = Math.max(16, measure(number) + 10)
      const time = last ? when(last.at, now) : ''
      const told = passages.map(({ n, at }) => `${n}: ${format.instant(at, now)}`).join('\n')
      return { number, pill, type, time, told, text: measure(type) }
    })
  const length = (of: typeof parts) => of.reduce((sum, { pill, text }) => sum + pill + inset + text + gap, -gap)
  let parts = drawn(false)
  // The last passage stands for all where there is no room: the state counts them.
  if (length(parts) > place.room) parts = drawn(true)
  const bare = length(parts)
  const times = parts.reduce((sum, { time }) => sum + blank + measure(time), 0)
  const timed = bare + times <= place.room
  // Each gives up its share of what is too much.
  const share = Math.max(0, bare - place.room) / parts.length
  let x = place.end ? place.x - Math.min(bare, place.room) - (timed ? times : 0) : place.x
  return svg`${parts.map(({ number, pill, type, time, told, text }) => {
    const at = x
    x += pill + inset + text - share + gap + (timed ? blank + measure(time) : 0)
    return svg`<g class="step">
      <title>${told}</title>
      <rect x=${at} y=${place.y - 12} width=${pill} height="16" rx="8" />
      <text class="number" x=${at + pill / 2} y=${place.y}>${number}</text>
      <text class="label" x=${at + pill + inset} y=${place.y} textLength=${squeezed(text, text - share)} lengthAdjust="spacingAndGlyphs">${type}</text>
      ${timed ? svg`<text class="label time" x=${at + pill + inset + text + blank} y=${place.y}>${time}</text>` : nothing}
    </g>`
  })}`
}

/** The length to set a text to that is wider than its room. */
function squeezed(width: number, room: number): number | typeof nothing {
  return width > room ? room : nothing
}
