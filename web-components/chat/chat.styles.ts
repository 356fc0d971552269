/** How a conversation is laid out: its head, the log or the words in its place, and where one writes. */
import { css } from 'lit'

export const styles = css`
  :host {
    display: flex;
    flex-direction: column;
    min-width: 0;
    height: var(--capsule-chat-height, 100%);
    min-height: 240px;
    overflow: hidden;
    container: chat / inline-size;
    background: var(--capsule-surface);
  }
  header {
    display: flex;
    align-items: center;
    gap: 12px;
    height: 56px;
    flex: none;
    padding: 0 20px;
    border-block-end: 1px solid var(--capsule-border);
  }
  h2 {
    font-size: var(--capsule-text-m);
    line-height: 1.25rem;
    letter-spacing: -0.005em;
  }
  capsule-transcript {
    flex: 1;
  }
  /* In a low window it gives way, and with it the text that is being written: Send stays in view. */
  .compose {
    display: flex;
    flex-direction: column;
    flex: 0 1 auto;
    min-height: 0;
    padding: 0 24px 16px;
  }
  .compose > * {
    width: 100%;
    max-width: 728px;
    margin-inline: auto;
  }
  .trouble {
    display: flex;
    align-items: center;
    gap: 8px;
    padding: 0 2px 8px;
  }
  .try {
    margin-top: 12px;
    border: 1px solid var(--capsule-border);
    border-radius: var(--capsule-radius-l);
    background: var(--capsule-raised);
    overflow: hidden;
  }
  .try li + li {
    border-block-start: 1px solid var(--capsule-border);
  }
  .try button {
    display: flex;
    align-items: center;
    gap: 12px;
    width: 100%;
    min-height: 44px;
    padding: 10px 14px;
  }
  .try button:hover {
    background: var(--capsule-hover);
  }
  .try button:focus-visible {
    outline-offset: -2px;
    border-radius: var(--capsule-radius-l);
  }
  .try .icon {
    color: var(--capsule-muted);
  }
  .say {
    display: block;
    font-family: var(--capsule-font-mono);
    font-size: var(--capsule-text-s);
    font-weight: var(--capsule-weight-medium);
    overflow-wrap: anywhere;
  }
  .what {
    display: block;
    color: var(--capsule-muted);
  }
  @container chat (max-width: 480px) {
    header {
      padding: 0 16px;
    }
    .compose {
      padding: 0 12px 12px;
    }
    capsule-transcript {
      --chat-gutter: 16px;
    }
  }
`
