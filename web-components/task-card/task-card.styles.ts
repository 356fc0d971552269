/** How a task card looks: one grid of icon, words and fact, which answers to its own width. */
import { css } from 'lit'

export const styles = css`
  :host { container-type: inline-size; contain: layout style; }
  .card {
    display: grid; grid-template-columns: 16px minmax(0, 1fr) auto; column-gap: 12px; row-gap: 2px;
    padding: 12px 14px; position: relative;
    border: 1px solid var(--capsule-border); border-radius: var(--capsule-radius-l);
    background: var(--capsule-raised); box-shadow: var(--capsule-shadow-card);
  }
  .card > .status-icon { padding-top: 2px; }
  .title { display: flex; gap: 8px; align-items: baseline; min-width: 0; }
  .title .name { font-weight: var(--capsule-weight-medium); }
  button.name { min-height: 24px; margin-block: -2px; border-radius: var(--capsule-radius-s); }
  button.name:hover { text-decoration: underline; text-decoration-color: var(--capsule-border-strong); text-underline-offset: 3px; }
  .title .mono { flex: none; max-width: 50%; color: var(--capsule-muted); }
  .fact { color: var(--capsule-muted); text-align: end; white-space: nowrap; }
  .body { grid-column: 2; min-width: 0; color: var(--capsule-muted); min-height: var(--capsule-line-s); }
  .body:has(+ .actions:empty) { grid-column: 2 / -1; }
  .actions:empty { display: none; }
  .body .why, .refused { overflow-wrap: anywhere; }
  .body .why { color: var(--capsule-text); white-space: pre-line; }
  .body .result { display: block; line-height: var(--capsule-line-s); }
  .bar { margin: 8px 0 6px; }
  .actions { grid-column: 3; display: flex; gap: 6px; align-items: flex-start; justify-content: flex-end; margin-top: 2px; }
  .refused { grid-column: 2 / -1; display: flex; gap: 8px; margin-top: 6px; color: var(--capsule-text); }
  .refused .icon { margin-top: 2px; color: var(--capsule-muted); }
  .blank { color: var(--capsule-muted); }

  @container (max-width: 480px) {
    .card { padding: 12px; column-gap: 10px; }
    .secondary { display: none; }
    .body .truncate:not(.result) { white-space: normal; overflow-wrap: anywhere; }
    .button.small { height: 36px; }
    .button.small.square { width: 36px; }
    .wordy .body { grid-column: 2 / -1; }
    .wordy .actions { grid-column: 2; justify-content: flex-start; margin-top: 8px; }
  }
  @media (pointer: coarse) {
    .button.small { height: 36px; }
    .button.small.square { width: 36px; }
  }
`
