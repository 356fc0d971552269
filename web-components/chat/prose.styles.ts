/** How a reply reads: what Markdown can produce, in the chat's own scales. Streaming ends in a caret, drawn by CSS alone. */
import { css } from 'lit'

export const proseStyles = css`
  .prose {
    min-width: 0;
    font-size: var(--capsule-text-m);
    line-height: var(--capsule-line-m);
    overflow-wrap: anywhere;
  }
  .prose.plain {
    white-space: pre-wrap;
    unicode-bidi: plaintext;
  }
  .prose .block + .block {
    margin-top: 8px;
  }
  .prose :is(h3, h4, h5, h6) {
    margin: 0;
    font-size: inherit;
    line-height: inherit;
    font-weight: var(--capsule-weight-strong);
    letter-spacing: -0.005em;
  }
  .prose h3 {
    font-size: var(--capsule-text-l);
    line-height: var(--capsule-line-l);
  }
  .prose .block + .block > :is(h3, h4, h5, h6) {
    margin-top: 12px;
  }
  .prose :is(ul, ol) {
    padding-inline-start: 24px;
    list-style: disc;
  }
  .prose ol {
    list-style: decimal;
  }
  .prose li + li,
  .prose li > :is(ul, ol) {
    margin-top: 4px;
  }
  .prose li > p {
    margin: 0 0 4px;
  }
  .prose li::marker {
    color: var(--capsule-muted);
    font-variant-numeric: tabular-nums;
  }
  .prose a {
    color: var(--capsule-accent);
    text-underline-offset: 2px;
  }
  .prose a:hover {
    color: var(--capsule-accent-hover);
  }
  .prose strong {
    font-weight: var(--capsule-weight-strong);
  }
  .prose blockquote {
    margin: 0;
    padding-inline-start: 14px;
    border-inline-start: 2px solid var(--capsule-border-strong);
    color: var(--capsule-muted);
  }
  .prose blockquote p + p {
    margin-top: 8px;
  }
  .prose hr {
    height: 1px;
    border: 0;
    margin: 8px 0;
    background: var(--capsule-border);
  }
  .prose code,
  .prose kbd {
    padding: 1px 5px;
    border: 1px solid var(--capsule-border);
    border-radius: var(--capsule-radius-s);
    background: var(--capsule-sunken);
    font-family: var(--capsule-font-mono);
    font-size: 0.8125rem;
  }
  .code {
    border: 1px solid var(--capsule-border);
    border-radius: var(--capsule-radius-m);
    background: var(--capsule-sunken);
    overflow: hidden;
  }
  .code-head {
    display: flex;
    align-items: center;
    justify-content: space-between;
    gap: 8px;
    padding: 2px 4px 2px 12px;
    border-block-end: 1px solid var(--capsule-border);
    color: var(--capsule-muted);
    font-size: var(--capsule-text-xs);
    line-height: var(--capsule-line-xs);
  }
  .copy {
    min-height: 28px;
    padding: 0 8px;
    border-radius: var(--capsule-radius-s);
    font-weight: var(--capsule-weight-medium);
  }
  .copy:hover {
    background: var(--capsule-hover);
    color: var(--capsule-text);
  }
  .code pre,
  .json {
    padding: 10px 12px;
    overflow: auto;
    font-family: var(--capsule-font-mono);
    font-size: 0.8125rem;
    line-height: var(--capsule-line-s);
    white-space: pre;
    overflow-wrap: normal;
    tab-size: 2;
    scrollbar-width: thin;
  }
  .code pre:focus-visible,
  .json:focus-visible {
    outline-offset: -2px;
  }
  .prose pre code {
    padding: 0;
    border: 0;
    background: none;
    font-size: inherit;
  }
  .wide {
    overflow-x: auto;
    scrollbar-width: thin;
  }
  .prose table {
    border-collapse: collapse;
    font-size: var(--capsule-text-s);
    line-height: var(--capsule-line-s);
    font-variant-numeric: tabular-nums;
    overflow-wrap: normal;
  }
  .prose :is(th, td) {
    padding: 6px 16px 6px 0;
    border-block-end: 1px solid var(--capsule-border);
    text-align: start;
    vertical-align: top;
  }
  .prose [align='right'] {
    text-align: end;
  }
  .prose [align='center'] {
    text-align: center;
  }
  .prose th {
    color: var(--capsule-muted);
    font-weight: var(--capsule-weight-medium);
  }

  .streaming:is(.plain)::after,
  .streaming:empty::after,
  .streaming > .block:last-child > :is(p, h3, h4, h5, h6):last-child::after,
  .streaming > .block:last-child > :is(ul, ol):last-child > li:last-child:not(:has(> :is(ul, ol, p)))::after,
  .streaming > .block:last-child > :is(ul, ol):last-child > li:last-child > p:last-child::after,
  .streaming > .block:last-child > :is(ul, ol):last-child > li:last-child > :is(ul, ol) > li:last-child::after,
  .streaming > .block:last-child > blockquote:last-child > p:last-child::after,
  .streaming > .block:last-child > .code:last-child pre::after {
    content: '';
    display: inline-block;
    width: 8px;
    height: 17px;
    margin-inline: 3px -11px;
    border-radius: 1px;
    background: var(--capsule-accent);
    vertical-align: -3px;
    forced-color-adjust: none;
    animation: caret 1.2s steps(1) infinite;
  }
  @keyframes caret {
    50% {
      opacity: 0.25;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    .streaming *::after,
    .streaming::after {
      animation: none;
    }
  }
`
