/** How a page looks: one board that has all its height, or blocks under each other. */
import { css } from 'lit'

export const styles = css`
  :host {
    display: flex;
    flex-direction: column;
    height: 100%;
    min-height: 0;
    background: var(--capsule-surface);
    container: page / inline-size;
  }
  .whole,
  .blocks {
    flex: 1;
    min-height: 0;
    display: flex;
    flex-direction: column;
  }
  .whole capsule-task-board {
    flex: 1;
    min-height: 0;
  }
  .blocks {
    overflow-y: auto;
    padding-block: 8px 24px;
    scrollbar-width: thin;
  }
  .blocks:focus-visible {
    outline-offset: -2px;
  }
  .blocks capsule-task-board {
    flex: none;
    height: clamp(360px, 70vh, 640px);
  }
  .blocks h2,
  .blocks p {
    padding-inline: 20px;
    max-width: 728px;
    flex: none;
  }
  .blocks h2 {
    padding-block: 12px 4px;
    overflow-wrap: anywhere;
    font-size: var(--capsule-text-l);
    line-height: var(--capsule-line-l);
    letter-spacing: -0.012em;
  }
  .blocks p {
    padding-block-end: 8px;
    font-size: var(--capsule-text-m);
    line-height: var(--capsule-line-m);
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  hr {
    flex: none;
    height: 1px;
    border: 0;
    margin: 20px;
    background: var(--capsule-border);
  }
  @container page (max-width: 640px) {
    .blocks h2,
    .blocks p {
      padding-inline: 16px;
    }
    hr {
      margin-inline: 16px;
    }
  }
`
