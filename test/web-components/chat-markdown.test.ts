import { beforeEach, describe, expect, test } from 'vitest'
import { renderMarkdown } from '../../web-components/chat/markdown/markdown.ts'

let place: HTMLElement

beforeEach(() => {
  place = document.createElement('div')
  document.body.replaceChildren(place)
})

function shown(text: string, streaming = false): HTMLElement {
  renderMarkdown(place, text, streaming)
  return place
}

describe('a reply in Markdown', () => {
  test('shows emphasis, lists, tables and code', () => {
    shown('**bold** and `code`\n\n- one\n- two\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n```ts\nlet x = 1 < 2\n```')
    expect(place.querySelector('strong')?.textContent).toBe('bold')
    expect([...place.querySelectorAll('li')].map((item) => item.textContent)).toEqual(['one', 'two'])
    expect(place.querySelector('td')?.textContent).toBe('1')
    expect(place.querySelector('pre')?.textContent).toBe('let x = 1 < 2')
    expect(place.querySelector('.code-head span')?.textContent).toBe('ts')
  })

  test('keeps where a list begins and how a column is aligned', () => {
    shown('3. three\n4. four\n\n| a | b |\n| - | -: |\n| 1 | 2 |')
    expect(place.querySelector('ol')?.start).toBe(3)
    expect(place.querySelector('td:last-child')?.getAttribute('align')).toBe('right')
  })

  test.each([
    ['a script', 'x <script>window.pwned = 1</script>', 'script'],
    ['a handler', '<a href="https://example.com" onclick="window.pwned = 1">x</a>', '[onclick]'],
    ['a style', '<p style="position:fixed">x</p>', '[style]'],
    ['a frame', '<iframe src="https://example.com"></iframe>', 'iframe'],
    ['a form', '<form action="https://example.com"><input name="password"></form>', 'form, input'],
    ['a javascript: link', '[x](javascript:alert(1))', '[href^="javascript"]'],
    ['a data: link', '[x](data:text/html,hi)', '[href^="data"]'],
    ['an image, which would call a server of the writer', '![x](https://example.com/track.png)', 'img'],
    ['a drawing', '<svg onload="window.pwned = 1"><use href="#x"/></svg>', 'svg'],
    ['a class of the page', '<p class="compose">x</p>', 'p.compose'],
  ])('lets no %s through', (_what, text, forbidden) => {
    expect(shown(text).querySelector(forbidden)).toBeNull()
    expect('pwned' in window).toBe(false)
  })

  test('reads each block in the direction it is written in, and code from left to right', () => {
    shown('שלום, עולם!\n\n- פריט\n\nHello.\n\n```\nשלום()\n```')
    const directions = ['p', 'li', '.block:nth-child(3) p', 'pre'].map((each) => {
      const found = place.querySelector(each)
      return found && getComputedStyle(found).direction
    })
    expect(directions).toEqual(['rtl', 'rtl', 'ltr', 'ltr'])
  })

  test('shows an image as a link to follow', () => {
    const link = shown('![a chart](https://example.com/chart.png)').querySelector('a')
    expect([link?.textContent, link?.href]).toEqual(['a chart', 'https://example.com/chart.png'])
  })

  test('opens links elsewhere, without a way back into the page', () => {
    const link = shown('[docs](https://example.com)').querySelector('a')
    expect(link?.target).toBe('_blank')
    expect(link?.rel).toBe('noopener noreferrer nofollow')
  })

  test('keeps headings below those of the page, without gaps, whichever rank they begin with', () => {
    shown('## Findings\n\n#### Detail\n\n## More')
    expect([...place.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(({ tagName }) => tagName)).toEqual([
      'H3',
      'H4',
      'H3',
    ])
  })

  test.each(['>', '- '])('shows what nests deeper than can be followed as the text it is: %s', (mark) => {
    const text = `${mark.repeat(5_000)}x`
    expect(shown(text).textContent).toBe(text)
  })

  test('copies code without its last line break', async () => {
    const copied: string[] = []
    Object.defineProperty(navigator, 'clipboard', {
      configurable: true,
      value: { writeText: async (text: string) => void copied.push(text) },
    })
    const button = shown('```sh\nnpm install\n```').querySelector('button')
    button?.click()
    await expect.poll(() => button?.textContent).toBe('Copied')
    expect(copied).toEqual(['npm install'])
  })
})

describe('a reply that is being written', () => {
  test.each([
    ['bold', 'This is **impor', '<strong>impor</strong>'],
    ['code', 'Call `buildRep', '<code>buildRep</code>'],
    ['a link', 'See [the doc', 'the doc'],
    ['a link with half an address', 'See [the docs](https://exam', 'the docs'],
  ])('shows unfinished %s sanely', (_what, text, html) => {
    shown(text, true)
    expect(place.innerHTML).toContain(html)
    expect(place.textContent).not.toMatch(/[*`[\]]/)
    expect(place.querySelector('a')).toBeNull()
  })

  test('keeps every block above the last one in the page, whatever follows', () => {
    shown('First paragraph.\n\n```ts\nconst a = 1\n```\n\nThird', true)
    const [first, code, third] = place.children
    shown('First paragraph.\n\n```ts\nconst a = 1\n```\n\nThird **one** goes on\n\n- and a list', true)
    expect(place.children).toHaveLength(4)
    expect([place.children[0], place.children[1]]).toEqual([first, code])
    expect(place.children[2]).not.toBe(third)
  })

  test('draws an earlier block anew when a later line changes what it means', () => {
    shown('See [the docs][1].', true)
    shown('See [the docs][1].\n\n[1]: https://example.com/', true)
    expect(place.querySelector('a')?.href).toBe('https://example.com/')
  })

  test('shows the same when it is finished as when it came at once', () => {
    const text = '# Report\n\n1. one\n2. two\n\n> quote\n\n| a |\n| - |\n| 1 |\n\nEnd *here*.'
    for (let end = 1; end < text.length; end += 3) shown(text.slice(0, end), true)
    const streamed = shown(text).innerHTML
    place = document.createElement('div')
    expect(streamed).toBe(shown(text).innerHTML)
  })
})
