/**
 * Markdown to DOM: parsed by marked, sanitised by DOMPurify, and put into the page block by block, so that a reply that is
 * still being written only ever changes its last block: selections, focus and scroll positions above it stay. This is the
 * lazily loaded chunk; nothing else of the chat imports these libraries.
 */
import createDOMPurify from 'dompurify'
import { Marked, type Token, type Tokens, type TokensList } from 'marked'
import remend from 'remend'

/** The page's own headings end at level 2: those of a reply begin below them. */
const FIRST_HEADING = 3

const purify = createDOMPurify(window)
purify.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName === 'A' && node.hasAttribute('href')) {
    node.setAttribute('target', '_blank')
    node.setAttribute('rel', 'noopener noreferrer nofollow')
  }
})

const ALLOWED = {
  ALLOWED_TAGS: [
    ...['a', 'b', 'blockquote', 'br', 'code', 'del', 'details', 'div', 'em', 'h3', 'h4', 'h5', 'h6', 'hr', 'i', 'kbd'],
    ...['li', 'ol', 'p', 'pre', 's', 'span', 'strong', 'sub', 'summary', 'sup', 'table', 'tbody', 'td', 'th', 'thead'],
    ...['tr', 'ul'],
  ],
  ALLOWED_ATTR: ['align', 'href', 'start', 'title', 'colspan', 'rowspan', 'data-language'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto|tel):/i,
  // All but href: without this the rule for addresses above is asked of their values too.
  ADD_URI_SAFE_ATTR: ['align', 'start', 'title', 'colspan', 'rowspan', 'data-language'],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true as const,
}

const escapes: { readonly [character: string]: string } = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const quote = (text: string) => text.replace(/[&<>"]/g, (character) => escapes[character] ?? character)

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    code({ text, lang }) {
      const language = lang?.match(/^[\w+#.-]+/)?.[0] ?? ''
      return `<pre data-language="${quote(language)}"><code>${quote(text)}</code></pre>`
    },
    // An image of a reply would call a server of the writer's choice from the reader's machine: it is a link to follow.
    image({ href, text }) {
      return `<a href="${quote(href)}">${quote(text || href)}</a>`
    },
    checkbox({ checked }) {
      return checked ? '☑ ' : '☐ '
    },
  },
})

/** What the blocks of one reply were made from, so that the next version can tell which of them still stand. */
const drawn = new WeakMap<Element, string[]>()

/**
 * Shows `text` in `into`, keeping the blocks that have not changed.
 * @param streaming the text is unfinished: open emphasis, code and links at its end are shown as if they were closed
 */
export function renderMarkdown(into: Element, text: string, streaming: boolean): void {
  const blocks = toBlocks(streaming ? remend(text, { linkMode: 'text-only' }) : text)
  const before = drawn.get(into) ?? []
  let same = 0
  while (same < before.length && same < blocks.length && before[same] === blocks[same]) same++
  while (into.childElementCount > same) into.lastElementChild?.remove()
  for (const html of blocks.slice(same)) into.append(toElement(html))
  drawn.set(into, blocks)
}

/** The HTML of each top-level block, not yet sanitised. */
function toBlocks(text: string): string[] {
  try {
    return parsed(text)
  } catch (error) {
    // It nests deeper than the stack goes: it stays the text it is, rather than take all that is below it along.
    if (!(error instanceof RangeError)) throw error
    return [`<p>${quote(text).replaceAll('\n', '<br>')}</p>`]
  }
}

function parsed(text: string): string[] {
  const tokens = marked.lexer(text)
  levelHeadings(tokens)
  return tokens.filter((token) => token.type !== 'space').map((token) => parseOne(token, tokens.links))
}

function parseOne(token: Token, links: TokensList['links']): string {
  const list: Token[] = [token]
  return marked.parser(Object.assign(list, { links }))
}

/** Headings in the order of their ranks from FIRST_HEADING on: a reply that begins with ### skips no level of the page. */
function levelHeadings(tokens: TokensList): void {
  const headings = tokens.filter(isHeading)
  const ranks = [...new Set(headings.map((token) => token.depth))].sort((a, b) => a - b)
  for (const token of headings) token.depth = Math.min(6, FIRST_HEADING + ranks.indexOf(token.depth))
}

function isHeading(token: Token): token is Tokens.Heading {
  return token.type === 'heading'
}

/** Every block is one element, whatever HTML it holds, so that blocks and their sources can be told apart by count. */
function toElement(html: string): Element {
  const block = document.createElement('div')
  block.className = 'block'
  // Each block reads in the direction it is written in, its bullets, its quotation mark and its columns with it.
  block.dir = 'auto'
  block.append(purify.sanitize(html, ALLOWED))
  for (const pre of block.querySelectorAll('pre')) addCopy(pre)
  for (const table of block.querySelectorAll('table')) {
    const wide = document.createElement('div')
    wide.className = 'wide'
    wide.tabIndex = 0
    wide.role = 'region'
    wide.ariaLabel = 'Table'
    table.replaceWith(wide)
    wide.append(table)
  }
  return block
}

function addCopy(pre: HTMLPreElement): void {
  const frame = document.createElement('div')
  frame.className = 'code'
  frame.dir = 'ltr'
  const head = document.createElement('div')
  head.className = 'code-head'
  const language = document.createElement('span')
  language.textContent = pre.getAttribute('data-language') || 'text'
  const copy = document.createElement('button')
  copy.type = 'button'
  copy.className = 'copy'
  copy.textContent = 'Copy'
  copy.addEventListener('click', () => void copyCode(copy, pre.textContent))
  head.append(language, copy)
  pre.tabIndex = 0
  pre.role = 'region'
  pre.ariaLabel = 'Code'
  pre.replaceWith(frame)
  frame.append(head, pre)
}

async function copyCode(button: HTMLButtonElement, code: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(code.replace(/\n$/, ''))
    button.textContent = 'Copied'
  } catch {
    button.textContent = 'Not allowed here'
  }
  button.addEventListener('blur', () => (button.textContent = 'Copy'), { once: true })
  button.addEventListener('pointerleave', () => (button.textContent = 'Copy'), { once: true })
}
