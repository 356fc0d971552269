/** What tests of the board share: a server for each test, a page with a board that asks it, and its jobs. */
import { page, userEvent } from 'vitest/browser'
import type { Job } from '../../src/http/wire.ts'
import '../../web-components/task-board/index.ts'
import { aJob, FakeBoardServer } from './fake-board-server.ts'
import { all, eventually, frames, inside, one, show, words } from './support.ts'

export let server: FakeBoardServer

/** Before each test. */
export async function begin(): Promise<void> {
  server = new FakeBoardServer()
  await page.viewport(1280, 800)
}

/** After it. */
export function end(): void {
  document.body.replaceChildren()
  server[Symbol.dispose]()
}

type Board = HTMLElementTagNameMap['capsule-task-board']
export const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString()

export function many(n: number, make: (index: number) => Partial<Job>): Job[] {
  return Array.from({ length: n }, (_, index) =>
    aJob({ id: `task-${String(index).padStart(6, '0')}`, title: `Invoice ${index}`, ...make(index) }),
  )
}

export const completed = (n: number) =>
  many(n, (index) => ({ status: 'completed', started_at: ago(index * 10 + 2), finished_at: ago(index * 10) }))

/** A board with these jobs, once it shows them, and what a reader finds and does on it. */
export async function board(jobs: readonly Job[], set: (element: Board) => void = () => {}) {
  for (const job of jobs) server.jobs.set(job.id, job)
  const element = document.createElement('capsule-task-board')
  element.src = server.base
  element.style.height = '700px'
  set(element)
  show(element)
  const root = await inside(element)
  await eventually(
    () => !root.querySelector('.columns[aria-busy=true]') && root.querySelector('.head .total:not(:empty)'),
    'the board',
  )
  await frames(3)
  const column = (label: string) => one(root, `.column[aria-label^="${label}"]`)
  const cards = (label: string) => all(root, `.column[aria-label^="${label}"] [data-id]`)
  const titles = (label: string) => cards(label).map((card) => words(card.querySelector('.open')))
  const open = (title: string) => one(root, `.open[aria-label^="${title},"]`)
  const pick = (title: string) => one(root, `.pick[aria-label="Select ${title}"]`)
  const list = (label: string) => one(column(label), '.list')
  const footer = (label: string) => words(column(label).querySelector('footer'))
  const focusedTitle = () => words(root.activeElement)
  const press = (key: string) => userEvent.keyboard(key)
  return { element, root, column, cards, titles, open, pick, list, footer, focusedTitle, press }
}
