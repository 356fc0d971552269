/** What an app shows in a conversation beside words: headings, texts, dividers and images; anything else as the data it is. */
import { html, nothing, type TemplateResult } from 'lit'
import { keyed } from 'lit/directives/keyed.js'
import type { Json } from '../../src/http/wire.ts'
import { icon } from '../shared/index.ts'

/** An image is fetched as nothing but an image; what of `data:` is none, or runs, is not among these. */
const SHOWN = /^(?:https?:|data:image\/)/i

/** @param base the URL of the server: an address without a host is meant for it */
export function blockOf(block: { [key: string]: Json }, base: string): TemplateResult {
  const { kind, text, url, alt } = block
  if (kind === 'heading' && typeof text === 'string') return html`<h3 class="block-heading">${text}</h3>`
  if (kind === 'text' && typeof text === 'string') return html`<p class="block-text">${text}</p>`
  if (kind === 'divider') return html`<hr />`
  const address = kind === 'image' && typeof url === 'string' ? imageAddress(url, base) : undefined
  // One that is shown in place of another has yet to be missing.
  if (address) return html`${keyed(address, image(address, typeof alt === 'string' ? alt : ''))}`
  return html`<pre class="json" dir="ltr" tabindex="0" role="region" aria-label="Data">${JSON.stringify(block, null, 2)}</pre>`
}

/** Where an image is, absolute; undefined for an address that is none, or none of an image. */
function imageAddress(url: string, base: string): string | undefined {
  const from = `${base}/`
  const { href } = URL.canParse(url, from) ? new URL(url, from) : { href: '' }
  return SHOWN.test(href) ? href : undefined
}

function image(address: string, alt: string): TemplateResult {
  const picture = html`<img
    src=${address}
    alt=${alt || 'Image'}
    loading="lazy"
    decoding="async"
    referrerpolicy="no-referrer"
    @error=${showMissing}
  />`
  // Browsers open no page at data: there is nothing to follow.
  const whole = address.startsWith('data:')
    ? picture
    : html`<a href=${address} target="_blank" rel="noopener noreferrer">${picture}</a>`
  return html`<figure class="image">
    ${whole}
    <figcaption hidden>${icon('info')}<span>The image cannot be shown${alt ? html`: ${alt}` : nothing}</span></figcaption>
  </figure>`
}

function showMissing({ target }: Event): void {
  const figure = target instanceof Element ? target.closest('figure') : null
  for (const part of figure?.children ?? []) part.toggleAttribute('hidden', part.localName !== 'figcaption')
}
