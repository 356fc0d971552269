/** How the log looks: one column of text, what the reader said at its end side, and notices in a line each. */
import { css } from 'lit'

export const styles = css`
  :host {
    position: relative;
    min-height: 0;
  }
  .log {
    height: 100%;
    overflow-y: auto;
    overflow-x: hidden;
    overflow-anchor: none;
    overscroll-behavior: contain;
    scrollbar-width: thin;
    scrollbar-gutter: stable both-edges;
    padding-block: 16px;
  }
  .log:focus-visible {
    outline-offset: -2px;
  }
  .entry {
    padding: 6px var(--chat-gutter, 24px);
    content-visibility: auto;
    contain-intrinsic-size: auto 60px;
  }
  .line {
    position: relative;
    max-width: 728px;
    margin-inline: auto;
  }
  .center {
    text-align: center;
  }
  time {
    color: var(--capsule-muted);
    font-size: var(--capsule-text-xs);
    line-height: var(--capsule-line-xs);
    font-variant-numeric: tabular-nums;
    white-space: nowrap;
  }
  /* What people write has the direction of its own words, whatever that of the page is. */
  .bubble,
  .block-heading,
  .block-text,
  .trouble span,
  .said,
  .earlier span {
    unicode-bidi: plaintext;
  }
  .said,
  .earlier span {
    text-align: -webkit-match-parent;
    text-align: match-parent;
  }

  .day span {
    display: flex;
    align-items: center;
    gap: 12px;
    max-width: 728px;
    margin-inline: auto;
    color: var(--capsule-muted);
    font-size: var(--capsule-text-xs);
    line-height: var(--capsule-line-xs);
  }
  .day span::before,
  .day span::after {
    content: '';
    flex: 1;
    height: 1px;
    background: var(--capsule-border);
  }

  .mine .line {
    display: flex;
    flex-direction: column;
    align-items: flex-end;
    gap: 4px;
  }
  .mine {
    padding-block-start: 14px;
  }
  .bubble {
    max-width: 76%;
    padding: 8px 14px;
    border: 1px solid transparent;
    border-radius: var(--capsule-radius-l);
    border-end-end-radius: 3px;
    background: var(--capsule-hover);
    font-size: var(--capsule-text-m);
    line-height: var(--capsule-line-m);
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  .bubble.outgoing {
    border: 1px dashed var(--capsule-border-strong);
    background: none;
  }
  .under {
    display: flex;
    align-items: center;
    gap: 8px;
    min-height: 16px;
    color: var(--capsule-muted);
    font-size: var(--capsule-text-xs);
    line-height: var(--capsule-line-xs);
  }
  .waits {
    display: inline-flex;
    align-items: center;
    gap: 5px;
  }
  .trouble {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    justify-content: flex-end;
    gap: 4px 8px;
    max-width: 100%;
    font-size: var(--capsule-text-s);
    line-height: var(--capsule-line-s);
  }
  .trouble p {
    display: flex;
    gap: 8px;
    min-width: 0;
    overflow-wrap: anywhere;
  }
  .trouble p svg {
    margin-block-start: 2px;
  }
  .trouble.failed p svg {
    color: var(--capsule-status-failed);
  }
  .trouble.interrupted p svg {
    color: var(--capsule-status-retry);
  }
  .trouble.stopped p svg {
    color: var(--capsule-status-cancelled);
  }

  .aside {
    position: absolute;
    inset-block-start: 4px;
    inset-inline-start: calc(100% + 12px);
    opacity: 0;
    transition: opacity var(--capsule-fast);
  }
  .entry:hover .aside,
  .entry:focus-within .aside {
    opacity: 1;
  }
  @container chat (max-width: 860px) {
    .aside {
      display: none;
    }
  }

  .now {
    display: flex;
    align-items: center;
    gap: 10px;
    height: 28px;
    padding-inline-start: 1px;
    color: var(--capsule-muted);
    font-size: var(--capsule-text-s);
    line-height: var(--capsule-line-s);
    font-variant-numeric: tabular-nums;
  }
  .said {
    flex: 1;
    min-width: 0;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .earlier {
    margin: 4px 0 4px 7px;
    padding: 2px 0 2px 19px;
    border-inline-start: 1px solid var(--capsule-border);
    list-style: none;
    color: var(--capsule-muted);
    font-size: var(--capsule-text-s);
    line-height: var(--capsule-line-s);
  }
  .earlier li {
    display: flex;
    gap: 12px;
    padding-block: 2px;
    overflow-wrap: anywhere;
  }
  .earlier time {
    line-height: inherit;
  }
  .link {
    min-height: 24px;
    padding: 0 2px;
    border: 0;
    background: none;
    color: var(--capsule-muted);
    font: inherit;
    font-size: var(--capsule-text-xs);
    text-decoration: underline;
    text-decoration-color: var(--capsule-border-strong);
    text-underline-offset: 3px;
    white-space: nowrap;
    cursor: pointer;
  }
  .link:hover {
    color: var(--capsule-text);
  }

  .block-heading {
    margin: 4px 0 0;
    font-size: var(--capsule-text-l);
    line-height: var(--capsule-line-l);
    font-weight: var(--capsule-weight-strong);
    overflow-wrap: anywhere;
  }
  .block-text {
    font-size: var(--capsule-text-m);
    line-height: var(--capsule-line-m);
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  .json {
    max-height: 320px;
    border: 1px solid var(--capsule-border);
    border-radius: var(--capsule-radius-m);
    background: var(--capsule-sunken);
  }
  .image img {
    display: block;
    max-width: 100%;
    max-height: 360px;
    border: 1px solid var(--capsule-border);
    border-radius: var(--capsule-radius-l);
  }
  .image a {
    display: block;
    width: fit-content;
    /* A drawing without a size of its own takes what there is. */
    min-width: min(240px, 100%);
    max-width: 100%;
    border-radius: var(--capsule-radius-l);
  }
  .image figcaption {
    display: flex;
    gap: 8px;
    color: var(--capsule-muted);
    overflow-wrap: anywhere;
  }
  .image figcaption svg {
    margin-block-start: 2px;
  }
  hr {
    height: 1px;
    border: 0;
    background: var(--capsule-border);
  }

  .pill-place {
    position: absolute;
    inset-inline: 0;
    inset-block-end: 12px;
    display: flex;
    justify-content: center;
    pointer-events: none;
  }
  .pill {
    pointer-events: auto;
    display: inline-flex;
    align-items: center;
    gap: 6px;
    height: 32px;
    padding: 0 14px 0 10px;
    border: 1px solid var(--capsule-border);
    border-radius: var(--capsule-radius-full);
    background: var(--capsule-overlay);
    color: var(--capsule-text);
    box-shadow: var(--capsule-shadow-float);
    font: inherit;
    font-size: var(--capsule-text-s);
    font-weight: var(--capsule-weight-medium);
    font-variant-numeric: tabular-nums;
    cursor: pointer;
  }
  .pill:hover {
    background: var(--capsule-hover);
  }

  @container chat (max-width: 480px) {
    .bubble {
      max-width: 88%;
    }
  }
  @media (pointer: coarse) {
    .pill,
    .trouble .button {
      min-height: 40px;
    }
    .link {
      min-height: 36px;
    }
  }
  @media (forced-colors: active) {
    .bubble {
      border-color: CanvasText;
    }
  }
`
