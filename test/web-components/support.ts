/** What tests of elements share: putting one on the page, waiting for it by frames, and axe. */
import type { AxeResults } from 'axe-core'
import axe from 'axe-core'
import type { LitElement } from 'lit'
import { expect } from 'vitest'
import { cdp } from 'vitest/browser'
import '../../web-components/shared/tokens.css'

/** Puts an element on an otherwise empty page. */
export function show<E extends HTMLElement>(element: E): E {
  document.body.replaceChildren(element)
  return element
}

/** Resolves when `check` gives a value that is neither false nor empty, looking once a frame for at most 2 s. */
export async function eventually<T>(check: () => T | false | null | undefined, what = 'it to be so'): Promise<T> {
  for (let frame = 0; frame < 120; frame += 1) {
    const value = check()
    if (value !== false && value !== null && value !== undefined) return value
    await frames(1)
  }
  throw new Error(`Waited in vain for ${what}`)
}

export async function frames(n: number): Promise<void> {
  for (let frame = 0; frame < n; frame += 1) await new Promise((resolve) => requestAnimationFrame(resolve))
}

/** The shadow content, once rendered. */
export async function inside(element: LitElement): Promise<ShadowRoot> {
  await element.updateComplete
  if (!element.shadowRoot) throw new Error('It has no shadow root')
  return element.shadowRoot
}

export function all(root: ParentNode, selector: string): HTMLElement[] {
  return [...root.querySelectorAll<HTMLElement>(selector)]
}

export function one(root: ParentNode, selector: string): HTMLElement {
  const found = root.querySelector<HTMLElement>(selector)
  if (!found) throw new Error(`There is no ${selector}`)
  return found
}

/** The text one reads, with blanks as one. */
export function words(node: Node | null | undefined): string {
  return (node?.textContent ?? '').replace(/\s+/g, ' ').trim()
}

/** Resolves when what fades or slides in has come to rest; what goes on for ever (a spinner) is not waited for. */
export async function atRest(): Promise<void> {
  const ending = treesOf(document)
    .flatMap((tree) => tree.getAnimations())
    .filter(({ effect }) => effect?.getComputedTiming().endTime !== Number.POSITIVE_INFINITY)
  // One that is cancelled with its element is at rest as well.
  await Promise.allSettled(ending.map(({ finished }) => finished))
}

/** The tree and all shadow trees in it: each knows only its own animations. */
function treesOf(tree: Document | ShadowRoot): (Document | ShadowRoot)[] {
  const shadows = Array.from(tree.querySelectorAll('*'), ({ shadowRoot }) => shadowRoot ?? [])
  return [tree, ...shadows.flat().flatMap(treesOf)]
}

/** Expects axe to find nothing against WCAG 2.2 AA, once what comes in is all there. */
export async function expectAccessible(element: Element): Promise<void> {
  await atRest()
  const results: AxeResults = await axe.run(element, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    // Of whole pages, which a component is not.
    rules: {
      region: { enabled: false },
      'page-has-heading-one': { enabled: false },
      'heading-order': { enabled: false },
    },
  })
  const found = results.violations.map(
    (each) => `${each.id}: ${each.nodes.map((node) => `${node.html} ${node.failureSummary}`).join('\n')}`,
  )
  expect(found).toEqual([])
}

declare module 'vitest/internal/browser' {
  interface CDPSession {
    send(method: 'Emulation.setEmulatedMedia', params: object): Promise<unknown>
  }
}

/** Has the browser say that the reader prefers these; nothing again without any. */
export async function emulate(...features: { name: string; value: string }[]): Promise<void> {
  await cdp().send('Emulation.setEmulatedMedia', { features })
}

/** Does this in a page that reads from right to left. */
export async function rightToLeft(look: () => Promise<void>): Promise<void> {
  document.documentElement.dir = 'rtl'
  try {
    await look()
  } finally {
    document.documentElement.dir = ''
  }
}

/** Whether the first character of the element's text stands left of its last: it reads as what it is written in does. */
export function readsFromLeft(element: Element): boolean {
  const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT)
  const written: Text[] = []
  while (texts.nextNode()) {
    if (texts.currentNode instanceof Text && texts.currentNode.data.trim() !== '') written.push(texts.currentNode)
  }
  const leftOf = (text: Text | undefined, at: number) => {
    const range = document.createRange()
    range.setStart(text ?? element, at)
    range.setEnd(text ?? element, at + 1)
    return range.getBoundingClientRect().left
  }
  const [first, last] = [written[0], written.at(-1)]
  const start = first?.data.search(/\S/) ?? 0
  return leftOf(first, start) < leftOf(last, (last?.data.trimEnd().length ?? 1) - 1)
}

/** How far from the right of the element its text begins, in pixels. */
export function gapAtRight(element: Element): number {
  const text = document.createRange()
  text.selectNodeContents(element)
  return element.getBoundingClientRect().right - text.getBoundingClientRect().right
}
